// SPDX-License-Identifier: MIT
//
// The names below the directory of pins, and the names of the filter's exits.
#include "daemon/xdp/maps.h"
#include "daemon/xdp/pinned_maps.h"
#include "daemon/xdp/pins.h"

#include "bpf/abi.h"
#include "tests/unit/recording/directory.h"

#include <doctest/doctest.h>

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

using namespace xk;
using namespace xk::xdp;

namespace {

struct Directory : test::TemporaryDirectory {
    void add(const std::string& name) const { std::ofstream(path() + "/" + name) << ""; }
};

} // namespace

TEST_CASE("a pin's name carries the interface, without a dot, and gives it back") {
    CHECK(pin_of_link("/p", "eth0") == "/p/link-eth0");
    CHECK(pin_of_link("/p", "eth0.42") == "/p/link-eth0:42");
    CHECK(pin_of_share("/p", "eth0.42") == "/p/share-eth0:42");
    for (const char* interface : {"eth0", "eth0.42", "a.b.c", "wg-home", "link-x"}) {
        CHECK(interface_of_pin(pin_of_link("p", interface).substr(2)) == interface);
        CHECK(interface_of_pin(pin_of_share("p", interface).substr(2)) == interface);
    }
}

TEST_CASE("only names that we give are ours") {
    for (const char* name : {"link-eth0", "share-eth0", "dry-run", "maps0", "maps1", "maps2", "maps4294967295"})
        CHECK_MESSAGE(is_our_pin(name), name);
    for (const char* name : {"", "link", "xlink-eth0", "sharing", "dry-runs", "dry", "map2", "maps", "Maps2", "tags"})
        CHECK_MESSAGE(!is_our_pin(name), name);
    CHECK(is_link("link-eth0"));
    CHECK_FALSE(is_link("share-eth0"));
    CHECK(is_share("share-eth0"));
    CHECK_FALSE(is_share("link-eth0"));
}

TEST_CASE("a directory of maps has exactly the number of an ABI version in its name") {
    CHECK(is_maps_directory("maps0"));
    CHECK(is_maps_directory("maps17"));
    CHECK(maps_directory("/p") == "/p/maps" + std::to_string(XK_ABI_VERSION));
    CHECK(misfits_directory("/p") == "/p/maps0");
    // Each of these would be read as another number than it says.
    for (const char* name : {"maps02", "maps00", "maps+2", "maps-1", "maps 2", "maps2x", "maps2.", "maps0x2",
                             "maps4294967296", "maps99999999999999999999"})
        CHECK_MESSAGE(!is_maps_directory(name), name);
}

TEST_CASE("links and shares are found among other pins") {
    const Directory directory;
    CHECK_FALSE(has_pin_of_link(directory.path()));
    CHECK_FALSE(has_pin_of_link(directory.path() + "/none"));
    directory.add("maps2");
    directory.add("other");
    CHECK_FALSE(has_pin_of_link(directory.path()));
    CHECK_FALSE(has_pin_of_share(directory.path()));
    directory.add("share-eth0");
    CHECK_FALSE(has_pin_of_link(directory.path()));
    CHECK(has_pin_of_share(directory.path()));
    directory.add("link-eth0");
    CHECK(has_pin_of_link(directory.path()));
}

TEST_CASE("a directory for pins that is on no BPF file system is refused, with the way to mount one") {
    const Directory directory;
    const auto refused = check_pin_directory(directory.path() + "/xknock");
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.find("is not on a BPF file system") != std::string::npos);
    CHECK(refused.error().hint == "mount -t bpf bpf /sys/fs/bpf");
    CHECK(refused.error().exit == Exit::configuration);
    directory.add("file");
    const auto no_directory = check_pin_directory(directory.path() + "/file/xknock");
    REQUIRE_FALSE(no_directory);
    CHECK(no_directory.error().hint.find("systemd-tmpfiles --create makes it") == 0);
}

TEST_CASE("a map that outlives the daemon is known by its name") {
    for (const char* name :
         {"tags", "credentials", "seen", "local_addresses", "banned_addresses", "banned_networks", "candidates",
          "counters", "syn_guard", "known_sources", "allowed_networks", "forwarding", "ban_counts"})
        CHECK_MESSAGE(is_pinned(name), name);
    for (const char* name : {"", "tag", ".rodata", ".bss", "knock_bp.bss"})
        CHECK_MESSAGE(!is_pinned(name), name);
}

TEST_CASE("a number that is no exit of the filter has no name") {
    CHECK(counter_name(XK_TRANSIT) == "transit");
    CHECK(counter_name(XK_SYN) == "syn");
    CHECK(counter_name(-1) == "?");
    CHECK(counter_name(XK_COUNTERS) == "?");
}

TEST_CASE("a pin that is a symbolic link is removed, and not what it points to") {
    const Directory ours, others;
    others.add("shadow");
    std::filesystem::create_directory(ours.path() + "/maps9");
    ours.add("maps9/NAME");
    std::filesystem::create_directory_symlink(others.path(), ours.path() + "/maps8");
    std::filesystem::create_directory_symlink(others.path(), ours.path() + "/maps9/inner");
    remove_pin(ours.path() + "/maps8");
    remove_pin(ours.path() + "/maps9");
    CHECK(std::filesystem::is_empty(ours.path()));
    CHECK(std::filesystem::exists(others.path() + "/shadow"));
}
