// SPDX-License-Identifier: MIT
//
// The filter where it shares interfaces, as far as that is seen without libxdp's dispatcher: tests/vm has the rest.
#include "own_network.h"
#include "pin_directory.h"
#include "refusing.h"

#include "daemon/xdp/hook_query.h"
#include "daemon/xdp/link_layer.h"
#include "daemon/xdp/pinned_maps.h"
#include "daemon/xdp/pins.h"

#include <doctest/doctest.h>

#include <cerrno>
#include <filesystem>

using namespace xk;
using test::OwnNetwork;
using test::PinDirectory;

namespace {

namespace fs = std::filesystem;

const char* const kVeth = "ip link set lo up && ip link add a0 type veth peer name b0 && "
                          "ip link set a0 up && ip link set b0 up";

} // namespace

TEST_CASE("to share interfaces the filter makes its maps and leaves the programs to libxdp") {
    const OwnNetwork network(kVeth);
    const PinDirectory directory;
    auto settings = test::settings();
    settings.share = true;
    auto filter = directory.load(settings, directory.pins());
    CHECK(filter.program_fd(xdp::LinkLayer::ethernet) < 0);
    CHECK(filter.map_fd(xdp::Map::tags) >= 0);
    (void)filter.attach("a0", false); // whether the kernel has a dispatcher is tests/vm's affair
    CHECK(xdp::Filter::has_shares(directory.pins()));
    REQUIRE(xdp::Filter::remove_pins(directory.pins()));
    CHECK(xdp::query_hook("a0", directory.pins()).value().program == 0);
}

TEST_CASE("a share stays where nobody can tell what is in the dispatcher") {
    const OwnNetwork network(kVeth);
    const PinDirectory directory;
    auto filter = directory.load();
    const std::string share = xdp::pin_of_share(directory.pins(), "a0");
    fs::create_directory(share);
    CHECK_FALSE(test::refusing(SYS_sendto, {}, ENOMEM, [&] { return xdp::remove_share(share); }));
    CHECK(fs::exists(share));
    CHECK_FALSE(test::refusing(SYS_sendto, {}, ENOMEM, [&] { return xdp::Filter::remove_pins(directory.pins()); }));
    CHECK(fs::exists(share));
    CHECK_FALSE(fs::exists(xdp::maps_directory(directory.pins())));
    CHECK(xdp::remove_share(share));
    CHECK_FALSE(fs::exists(share));
}

TEST_CASE("a dispatcher that is gone leaves a directory that keeps nobody from attaching") {
    const OwnNetwork network(kVeth);
    const PinDirectory directory;
    auto filter = directory.load();
    for (const char* name : {"a0", "gone0"})
        fs::create_directory(xdp::pin_of_share(directory.pins(), name));
    CHECK(xdp::Filter::has_shares(directory.pins()));
    CHECK(xdp::Filter::has_links(directory.pins()));
    REQUIRE(filter.attach("a0", false));
    CHECK_FALSE(fs::exists(xdp::pin_of_share(directory.pins(), "a0")));
    filter.detach_others({"a0"});
    CHECK_FALSE(xdp::Filter::has_shares(directory.pins()));
    fs::create_directory(xdp::pin_of_share(directory.pins(), "b0"));
    REQUIRE(xdp::Filter::remove_pins(directory.pins()));
    CHECK_FALSE(xdp::Filter::has_shares(directory.pins()));
}
