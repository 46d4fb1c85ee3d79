// SPDX-License-Identifier: MIT
//
// Maps of another release, of another size, or of somebody else, under the pins of this one: what they hold is found
// again, or the start says what is wrong.
#include "own_network.h"
#include "pin_directory.h"
#include "refusing.h"

#include "daemon/xdp/pinned_maps.h"

#include "daemon/xdp/ban_filter.h"
#include "daemon/xdp/maps.h"
#include "daemon/xdp/pins.h"
#include "daemon/xdp/syn_guard.h"
#include "protocol/base/fd.h"
#include "tests/unit/recording/failing_calls.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <functional>
#include <set>
#include <thread>
#include <utility>

using namespace xk;
using test::PinDirectory;
using xdp::Map;
using namespace std::chrono_literals;

namespace {

bpf_map_info info_of(int fd) {
    bpf_map_info info{};
    __u32 size = sizeof info;
    REQUIRE(bpf_obj_get_info_by_fd(fd, &info, &size) == 0);
    return info;
}
std::uint32_t id_of(int fd) { return info_of(fd).id; }

const Prefix kAddress = Prefix::parse("203.0.113.9").value(), kNetwork = Prefix::parse("2001:db8:9::/64").value();
const BootTime kUntil(std::chrono::hours(100'000));
const xk_seen kSeen{0x7a67, 0x3ac0};

// Bans, a disabled credential, a packet that was seen, a counter, a source that may begin connections.
void fill(xdp::Filter& filter) {
    REQUIRE(xdp::ban_filter_of(filter)->put_ban(kAddress, kUntil));
    REQUIRE(xdp::ban_filter_of(filter)->put_ban(kNetwork, std::nullopt));
    REQUIRE(xdp::set_disabled(filter, {false, true, false}));
    const std::uint64_t slot = 5;
    REQUIRE(bpf_map_update_elem(filter.map_fd(Map::seen), &kSeen, &slot, BPF_ANY) == 0);
    std::vector<std::uint64_t> each(static_cast<std::size_t>(libbpf_num_possible_cpus()), 3);
    const std::uint32_t counter = XK_BANNED;
    REQUIRE(bpf_map_update_elem(filter.map_fd(Map::counters), &counter, each.data(), BPF_ANY) == 0);
    xdp::SynGuard guard(filter, [](const std::string& note) { FAIL(note); });
    REQUIRE(guard.take_over(BootClock::now()));
    guard.admit(kAddress.address, BootClock::now() + 1h);
}

void check_found(xdp::Filter& filter) {
    const authz::BanList bans = xdp::ban_filter_of(filter)->read_bans();
    REQUIRE(bans.all().contains(kAddress));
    CHECK(bans.all().at(kAddress).until == kUntil);
    REQUIRE(bans.all().contains(kNetwork));
    CHECK_FALSE(bans.all().at(kNetwork).until);
    const std::uint32_t second = 1;
    xk_credential credential{};
    REQUIRE(bpf_map_lookup_elem(filter.map_fd(Map::credentials), &second, &credential) == 0);
    CHECK(credential.disabled == 1);
    std::uint64_t slot = 0;
    REQUIRE(bpf_map_lookup_elem(filter.map_fd(Map::seen), &kSeen, &slot) == 0);
    CHECK(slot == 5);
    CHECK(xdp::read_counters(filter).value()[XK_BANNED] == 3u * static_cast<unsigned>(libbpf_num_possible_cpus()));
    xdp::SynGuard guard(filter, [](const std::string& note) { FAIL(note); });
    REQUIRE(guard.take_over(BootClock::now()));
    CHECK(guard.known() == 1);
}

// The pin is then of a map of the same kind with room for so many, with what the old one held.
void resize(xdp::Filter& filter, Map which, const std::string& pin, std::uint32_t most, std::uint32_t value_size = 0) {
    const int map = filter.map_fd(which);
    const bpf_map_info info = info_of(map);
    LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = info.map_flags);
    const std::uint32_t size = value_size != 0 ? value_size : info.value_size;
    const Fd other(bpf_map_create(static_cast<bpf_map_type>(info.type), nullptr, info.key_size, size, most, &options));
    REQUIRE(other);
    std::vector<char> key(info.key_size), value(4096);
    if (value_size == 0)
        for (const void* at = nullptr; bpf_map_get_next_key(map, at, key.data()) == 0; at = key.data()) {
            REQUIRE(bpf_map_lookup_elem(map, key.data(), value.data()) == 0);
            (void)bpf_map_update_elem(other.get(), key.data(), value.data(), BPF_ANY);
        }
    REQUIRE(::unlink(pin.c_str()) == 0);
    REQUIRE(bpf_obj_pin(other.get(), pin.c_str()) == 0);
}

} // namespace

TEST_CASE("maps of the same meaning and shape in another directory are shared, and their pins go in the end") {
    const PinDirectory directory;
    std::uint32_t seen = 0;
    {
        xdp::Filter before = directory.load();
        fill(before);
        seen = id_of(before.map_fd(Map::seen));
    }
    std::filesystem::rename(xdp::maps_directory(directory.pins()), xdp::misfits_directory(directory.pins()));
    xdp::Filter filter = directory.load();
    CHECK(id_of(filter.map_fd(Map::seen)) == seen); // no packet falls between two programs
    check_found(filter);
    CHECK(std::filesystem::exists(xdp::misfits_directory(directory.pins()))); // until it is attached
    filter.detach_others({});
    CHECK_FALSE(std::filesystem::exists(xdp::misfits_directory(directory.pins())));
    xdp::Filter again = directory.load();
    check_found(again);
}

TEST_CASE("the entries of maps of another size are copied, also when the start before died") {
    const PinDirectory directory;
    const std::string maps = xdp::maps_directory(directory.pins());
    {
        xdp::Filter before = directory.load();
        fill(before);
        resize(before, Map::banned_addresses, maps + "/banned_addresses", 1000);
        resize(before, Map::banned_networks, maps + "/banned_networks", 1000);
        resize(before, Map::seen, maps + "/seen", 1024);
        resize(before, Map::counters, maps + "/counters", 5);
        resize(before, Map::known_sources, maps + "/known_sources", 1000);
    }
    std::vector<std::string> notes;
    {
        xdp::Filter filter = directory.load(&notes);
        CHECK(notes.empty());
        check_found(filter);
    }
    // Dead before it was attached: the new maps are there, and what they hold does not count yet.
    for (const char* name : {"banned_addresses", "seen"})
        REQUIRE(::unlink((maps + "/" + name).c_str()) == 0);
    xdp::Filter filter = directory.load();
    check_found(filter);
}

TEST_CASE("a map whose values are of another size begins anew, and is named; the others are found") {
    const PinDirectory directory;
    const std::string maps = xdp::maps_directory(directory.pins());
    {
        xdp::Filter before = directory.load();
        fill(before);
        resize(before, Map::tags, maps + "/tags", 1000, 8);
    }
    std::vector<std::string> notes;
    xdp::Filter filter = directory.load(&notes);
    REQUIRE(notes.size() == 1);
    CHECK(notes[0] == "the pinned map tags has another layout or meaning and begins anew");
    check_found(filter);
}

namespace {

namespace fs = std::filesystem;

constexpr uid_t kStranger = 65534;

bool is_empty(xdp::Filter& filter) { return xdp::ban_filter_of(filter)->read_bans().all().empty(); }

// A filter with content was there; the directory of its maps.
std::string fill_before(const PinDirectory& directory) {
    xdp::Filter before = directory.load();
    fill(before);
    return xdp::maps_directory(directory.pins());
}

Fd any_program() {
    const bpf_insn pass[] = {{BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, XDP_PASS},
                             {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
    Fd fd(bpf_prog_load(BPF_PROG_TYPE_XDP, "any", "GPL", pass, std::size(pass), nullptr));
    REQUIRE(fd);
    return fd;
}

ino_t inode_of(const fs::path& path) {
    struct stat info {};
    REQUIRE(::lstat(path.c_str(), &info) == 0);
    return info.st_ino;
}

void check_refused(const PinDirectory& directory, const std::string& place, const std::string& why,
                   const std::string& hint) {
    const Error refused = directory.refusal();
    CAPTURE(refused.message);
    CAPTURE(refused.hint);
    CHECK(refused.message.find(place) != std::string::npos);
    CHECK(refused.message.find(why) != std::string::npos);
    CHECK(refused.hint.find(hint) != std::string::npos);
}

// As ABI version 1 had them: it knew no sequences.
void make_release_one(const PinDirectory& directory, const std::string& maps) {
    for (const char* name :
         {"sequence_steps", "sequence_slots", "sequence_progress", "progress_locks", "c_lock_runs", "c_lock_sources",
          "c_lock_attempts", "hello_peers", "legacy_buckets", "legacy_record", "sequence_failures"})
        REQUIRE(::unlink((maps + "/" + name).c_str()) == 0);
    fs::rename(maps, directory.pins() + "/maps1");
}

} // namespace

TEST_CASE("the next start takes every map as it is, and moves none") {
    const PinDirectory directory;
    fill_before(directory);
    std::set<std::uint32_t> ids[2];
    std::set<ino_t> pins[2];
    for (auto& set : ids) {
        xdp::Filter filter = directory.load();
        for (const auto& entry : fs::directory_iterator(xdp::maps_directory(directory.pins())))
            pins[&set - ids].insert(inode_of(entry.path()));
        check_found(filter);
        for (int map = 0; map <= static_cast<int>(Map::forwarding); ++map)
            set.insert(id_of(filter.map_fd(static_cast<Map>(map))));
    }
    CHECK(ids[0].size() == 12);
    CHECK(ids[0] == ids[1]);
    CHECK(pins[0].size() == 48); // a map and a mark for each name
    CHECK(pins[0] == pins[1]);
    CHECK_FALSE(fs::exists(xdp::misfits_directory(directory.pins())));
}

TEST_CASE("maps of a newer release are taken over where their mark says that they still mean the same") {
    const PinDirectory directory;
    fs::rename(fill_before(directory), directory.pins() + "/maps999");
    xdp::Filter filter = directory.load();
    check_found(filter);
    filter.detach_others({});
    CHECK_FALSE(fs::exists(directory.pins() + "/maps999"));
}

TEST_CASE("maps of a newer release that mean something else, or without a mark, begin anew and are named") {
    const PinDirectory directory;
    fs::rename(fill_before(directory), directory.pins() + "/maps999");
    const std::string newer = directory.pins() + "/maps999/since-";
    for (const char* mark : {"5", "0", "", "1x", "-1", "99999999999999999999"}) {
        CAPTURE(mark);
        fs::remove(newer + "banned_addresses");
        if (*mark != 0)
            fs::create_symlink(mark, newer + "banned_addresses");
        fs::remove_all(xdp::maps_directory(directory.pins()));
        std::vector<std::string> notes;
        xdp::Filter filter = directory.load(&notes);
        CHECK(notes == std::vector<std::string>{
                           "the pinned map banned_addresses has another layout or meaning and begins anew"});
        const authz::BanList bans = xdp::ban_filter_of(filter)->read_bans();
        CHECK_FALSE(bans.all().contains(kAddress));
        CHECK(bans.all().contains(kNetwork));
    }
}

TEST_CASE("an older release's maps come before those of a newer one that was never attached") {
    const PinDirectory directory;
    const std::string maps = fill_before(directory);
    fs::rename(maps, directory.pins() + "/maps0");
    {
        xdp::Filter empty =
            xdp::Filter::load(test::settings(), directory.pins() + "/dry-run", [](const auto&) {}).value();
    }
    fs::create_directory(directory.pins() + "/maps999");
    for (const auto& entry : fs::directory_iterator(xdp::maps_directory(directory.pins() + "/dry-run")))
        fs::rename(entry.path(), directory.pins() + "/maps999/" + entry.path().filename().string());
    xdp::Filter filter = directory.load();
    check_found(filter);
}

TEST_CASE("a directory whose number is none is nobody's, and its maps are not read") {
    const PinDirectory directory;
    fs::rename(fill_before(directory), directory.pins() + "/maps99999999999999999999");
    xdp::Filter filter = directory.load();
    CHECK(is_empty(filter));
    filter.detach_others({});
    CHECK(fs::exists(directory.pins() + "/maps99999999999999999999"));
}

TEST_CASE("half of the pins are taken over, and each one that is gone is named") {
    const PinDirectory directory;
    const std::string maps = fill_before(directory);
    REQUIRE(::unlink((maps + "/tags").c_str()) == 0);
    REQUIRE(::unlink((maps + "/local_addresses").c_str()) == 0);
    std::vector<std::string> notes;
    xdp::Filter filter = directory.load(&notes);
    check_found(filter);
    const std::string end = " is gone from " + directory.pins() + " and begins anew";
    CHECK(notes == std::vector<std::string>{"the pinned map tags" + end, "the pinned map local_addresses" + end});
    xdp::Filter again = directory.load(); // without a note
}

TEST_CASE("half of another release's pins, too") {
    const PinDirectory directory;
    const std::string maps = fill_before(directory);
    for (const char* gone : {"/forwarding", "/tags", "/candidates"})
        REQUIRE(::unlink((maps + gone).c_str()) == 0);
    make_release_one(directory, maps);
    std::vector<std::string> notes;
    xdp::Filter filter = directory.load(&notes);
    check_found(filter);
    // ABI version 1 had another ring and other tags, so that nothing is known of those that are not there.
    CHECK(notes ==
          std::vector<std::string>{"the pinned map forwarding is gone from " + directory.pins() + " and begins anew"});
}

TEST_CASE("the ring and the tags of ABI version 1 are not read as ours") {
    const PinDirectory directory;
    make_release_one(directory, fill_before(directory));
    std::vector<std::string> notes;
    xdp::Filter filter = directory.load(&notes);
    CHECK(notes == std::vector<std::string>{"the pinned map tags has another layout or meaning and begins anew",
                                            "the pinned map candidates has another layout or meaning and begins anew"});
    check_found(filter);
}

TEST_CASE("a pin that has the name of a map and is none is moved aside, named, and made anew") {
    const Fd program = any_program();
    LIBBPF_OPTS(bpf_map_create_opts, none);
    const Fd array(bpf_map_create(BPF_MAP_TYPE_ARRAY, nullptr, 4, 8, 1, &none));
    REQUIRE(array);
    const std::vector<std::pair<const char*, std::function<void(const std::string&)>>> others = {
        {"a map of another type", [&](const std::string& pin) { REQUIRE(bpf_obj_pin(array.get(), pin.c_str()) == 0); }},
        {"a program", [&](const std::string& pin) { REQUIRE(bpf_obj_pin(program.get(), pin.c_str()) == 0); }},
        {"a directory", [](const std::string& pin) { fs::create_directory(pin); }},
        {"a link to nothing", [](const std::string& pin) { fs::create_symlink("nothing", pin); }},
    };
    for (const auto& [name, put] : others) {
        const std::string what = name;
        CAPTURE(what);
        const PinDirectory directory;
        const std::string maps = fill_before(directory);
        REQUIRE(::unlink((maps + "/tags").c_str()) == 0);
        put(maps + "/tags");
        std::vector<std::string> notes;
        xdp::Filter filter = directory.load(&notes);
        check_found(filter);
        CHECK(notes == std::vector<std::string>{"the pinned map tags has another layout or meaning and begins anew"});
        const std::uint64_t key = 1;
        CHECK(bpf_map_update_elem(filter.map_fd(Map::tags), &key, std::array<char, sizeof(xk_tag)>{}.data(), 0) == 0);
        filter.detach_others({});
        CHECK_FALSE(fs::exists(xdp::misfits_directory(directory.pins())));
        xdp::Filter again = directory.load();
    }
}

TEST_CASE("a pin that has the name of the maps' directory is refused with the way out") {
    const PinDirectory directory;
    fs::create_directory(directory.pins());
    REQUIRE(bpf_obj_pin(any_program().get(), xdp::maps_directory(directory.pins()).c_str()) == 0);
    check_refused(directory, xdp::maps_directory(directory.pins()), "making the directory",
                  "rm -r " + directory.pins());
}

TEST_CASE("pins of a stranger are refused, wherever they are") {
    for (const std::string place : {"maps2/tags", "maps2/since-tags", "maps2", "link-eth0", "maps1/banned_addresses",
                                    "maps999/x", "share-eth0", "dry-run/maps2"}) {
        CAPTURE(place);
        const PinDirectory directory;
        fill_before(directory);
        const std::string path = directory.pins() + "/" + place;
        fs::create_directories(fs::path(path).parent_path());
        if (!fs::exists(fs::symlink_status(path)))
            REQUIRE(bpf_obj_pin(any_program().get(), path.c_str()) == 0);
        REQUIRE(::lchown(path.c_str(), kStranger, kStranger) == 0);
        check_refused(directory, "\"" + path + "\"", "belongs to user 65534", "rm -r " + path);
        REQUIRE(::lchown(path.c_str(), 0, 0) == 0);
        CHECK_FALSE(fs::exists(xdp::misfits_directory(directory.pins()))); // nothing was touched
    }
}

TEST_CASE("a directory into which others can write is refused") {
    for (const std::string place : {"", "/maps2", "/dry-run"})
        for (const auto others : {fs::perms::group_write, fs::perms::others_write}) {
            CAPTURE(place);
            const PinDirectory directory;
            fill_before(directory);
            const std::string path = directory.pins() + place;
            fs::create_directories(path);
            fs::permissions(path, others, fs::perm_options::add);
            check_refused(directory, "\"" + path + "\"", "can be written by others", "chmod go-w " + path);
            fs::permissions(path, others, fs::perm_options::remove);
            xdp::Filter filter = directory.load();
            check_found(filter);
        }
}

TEST_CASE("a directory whose owners cannot be checked is refused") {
    const PinDirectory directory;
    fill_before(directory);
    test::with_failing_call({SYS_getdents64, EIO}, [&] {
        check_refused(directory, "\"" + directory.pins() + "\"", "Input/output error", "");
    });
    xdp::Filter filter = directory.load();
    check_found(filter);
}

TEST_CASE("our own directories are not writable by others, whatever the umask") {
    const mode_t before = ::umask(0);
    const PinDirectory directory;
    const std::string maps = fill_before(directory);
    {
        xdp::Filter filter = directory.load();
        resize(filter, Map::seen, maps + "/seen", 1024);
    }
    xdp::Filter filter = directory.load();
    ::umask(before);
    for (const std::string& path : {directory.pins(), maps, xdp::misfits_directory(directory.pins())})
        CHECK_MESSAGE(fs::status(path).permissions() == fs::perms::owner_all, path);
    check_found(filter);
}

TEST_CASE("our own maps count more than those of a newer release that was never attached") {
    const PinDirectory directory;
    const std::string maps = fill_before(directory);
    fs::create_directory(directory.pins() + "/maps999");
    REQUIRE(bpf_obj_pin(directory.load().map_fd(Map::banned_networks),
                        (directory.pins() + "/maps999/banned_addresses").c_str()) == 0);
    fs::create_symlink("1", directory.pins() + "/maps999/since-banned_addresses");
    xdp::Filter filter = directory.load(); // without a note
    check_found(filter);
}

TEST_CASE("the directory's owner is trusted only where others could not have made it") {
    const PinDirectory directory;
    const std::string maps = fill_before(directory);
    const fs::path above = fs::path(directory.pins()).parent_path();
    for (const std::string& path : {directory.pins(), maps, maps + "/tags"})
        REQUIRE(::chown(path.c_str(), kStranger, kStranger) == 0);
    fs::permissions(above, fs::perms::all | fs::perms::sticky_bit); // as "mount -t bpf" leaves it
    check_refused(directory, "\"" + directory.pins() + "\"", "belongs to user 65534", "rm -r " + directory.pins());
    fs::permissions(above, static_cast<fs::perms>(0711)); // as the unit's tmpfiles leave it
    xdp::Filter filter = directory.load();
    check_found(filter);
}

TEST_CASE("the directory's owner is not trusted where a stranger has the directory above") {
    const PinDirectory directory;
    fill_before(directory);
    const fs::path above = fs::path(directory.pins()).parent_path();
    fs::permissions(above, static_cast<fs::perms>(0711));
    for (const fs::path& path : {fs::path(directory.pins()), above})
        REQUIRE(::chown(path.c_str(), kStranger, kStranger) == 0);
    check_refused(directory, "\"" + directory.pins() + "\"", "belongs to user 65534", "rm -r " + directory.pins());
    REQUIRE(::chown(above.c_str(), ::geteuid(), ::getegid()) == 0);
    xdp::Filter filter = directory.load();
    check_found(filter);
}

TEST_CASE("the directory above is the real one, behind a trailing slash and a symbolic link too") {
    const PinDirectory directory;
    fill_before(directory);
    const fs::path above = fs::path(directory.pins()).parent_path();
    fs::create_directory(above / "private");
    fs::create_directory_symlink(directory.pins(), above / "private/link");
    REQUIRE(::chown(directory.pins().c_str(), kStranger, kStranger) == 0);
    for (const std::string& path :
         {directory.pins() + "/", directory.pins() + "//", (above / "private/link").string()}) {
        CAPTURE(path);
        fs::permissions(above, fs::perms::all | fs::perms::sticky_bit);
        const auto refused = xdp::check_pin_directory(path);
        REQUIRE_FALSE(refused);
        CHECK(refused.error().message.find("belongs to user 65534") != std::string::npos);
        fs::permissions(above, static_cast<fs::perms>(0711));
        CHECK(xdp::check_pin_directory(path));
    }
}

TEST_CASE("a trailing slash in the directory's name changes nothing") {
    const mode_t before = ::umask(0);
    const PinDirectory directory;
    const std::string pins = directory.pins() + "/";
    {
        xdp::Filter filter = directory.load(test::settings(), pins);
        fill(filter);
        filter.detach_others({});
    }
    ::umask(before);
    CHECK(fs::status(directory.pins()).permissions() == fs::perms::owner_all);
    xdp::Filter again = directory.load(test::settings(), pins);
    check_found(again);
    xdp::Filter without = directory.load();
    CHECK(id_of(without.map_fd(Map::tags)) == id_of(again.map_fd(Map::tags)));
}

TEST_CASE("two filters of one process share every map, whatever somebody did to the pins") {
    const Fd program = any_program();
    const std::vector<std::pair<const char*, std::function<void(const std::string&)>>> deeds = {
        {"one gone", [](const std::string& maps) { fs::remove(maps + "/candidates"); }},
        {"all gone", [](const std::string& maps) { fs::remove_all(maps); }},
        {"another map",
         [](const std::string& maps) {
             fs::remove(maps + "/tags");
             fs::rename(maps + "/seen", maps + "/tags");
         }},
        {"a map of the same shape",
         [](const std::string& maps) {
             const PinDirectory elsewhere;
             const xdp::Filter other = elsewhere.load();
             fs::remove(maps + "/tags");
             REQUIRE(bpf_obj_pin(other.map_fd(Map::tags), (maps + "/tags").c_str()) == 0);
         }},
        {"a program",
         [&](const std::string& maps) {
             fs::remove(maps + "/tags");
             REQUIRE(bpf_obj_pin(program.get(), (maps + "/tags").c_str()) == 0);
         }},
        {"a directory",
         [](const std::string& maps) {
             fs::remove(maps + "/tags");
             fs::create_directory(maps + "/tags");
         }},
        {"nothing", [](const std::string&) {}},
    };
    for (const auto& [name, act] : deeds) {
        const std::string what = name;
        CAPTURE(what);
        const PinDirectory directory;
        xdp::Filter running = directory.load();
        fill(running);
        running.ban_counts().addresses = 7;
        const std::string counters = xdp::maps_directory(directory.pins()) + "/counters";
        const ino_t before = inode_of(counters);
        act(xdp::maps_directory(directory.pins()));
        auto next = xdp::Filter::load(
            test::settings(), directory.pins(), [](const auto& note) { FAIL(note); }, &running);
        REQUIRE(next);
        for (int map = 0; map <= static_cast<int>(Map::forwarding); ++map)
            CHECK(id_of(next->map_fd(static_cast<Map>(map))) == id_of(running.map_fd(static_cast<Map>(map))));
        CHECK(next->ban_counts().addresses == 7);
        CHECK((inode_of(counters) == before || std::string_view(what) == "all gone")); // a pin that is right stays
        check_found(*next);
    }
}

TEST_CASE("of maps that had more room, the entries that do not fit are counted") {
    const PinDirectory directory;
    const std::string maps = xdp::maps_directory(directory.pins());
    {
        xdp::Filter before = directory.load();
        fill(before);
        resize(before, Map::allowed_networks, maps + "/allowed_networks", 600);
        const Fd large(bpf_obj_get((maps + "/allowed_networks").c_str()));
        const std::uint32_t yes = 1;
        for (std::uint32_t i = 0; i < 600; ++i) {
            xk_prefix key{128, {}};
            std::memcpy(key.address.bytes, &i, sizeof i);
            REQUIRE(bpf_map_update_elem(large.get(), &key, &yes, BPF_ANY) == 0);
        }
    }
    std::vector<std::string> notes;
    xdp::Filter filter = directory.load(&notes);
    CHECK(notes ==
          std::vector<std::string>{"88 entries of the pinned map allowed_networks, which had more room, do not fit"});
    check_found(filter);
}

TEST_CASE("of several releases before, the maps of the nearest one count") {
    const PinDirectory directory;
    const std::string maps = fill_before(directory);
    fs::rename(maps, directory.pins() + "/maps0"); // of this release
    { xdp::Filter empty = directory.load(test::settings(), directory.pins() + "/dry-run"); }
    fs::create_directory(directory.pins() + "/maps1");
    for (const auto& entry : fs::directory_iterator(xdp::maps_directory(directory.pins() + "/dry-run")))
        fs::rename(entry.path(), directory.pins() + "/maps1/" + entry.path().filename().string());
    xdp::Filter filter = directory.load();
    check_found(filter);
}

TEST_CASE("a pinned map that may not be opened is an error that names its owner's way out") {
    const PinDirectory directory;
    const std::string maps = fill_before(directory);
    for (const int code : {EACCES, EPERM}) {
        const Error refused = test::refusing(SYS_bpf, BPF_OBJ_GET, code, [&] { return directory.refusal(); });
        CHECK(refused.message.find("opening the pinned map \"" + maps + "/") == 0);
        CHECK(refused.hint.find("chown -R --reference=" + directory.pins() + " " + directory.pins()) !=
              std::string::npos);
    }
    xdp::Filter filter = directory.load();
    check_found(filter);
}

TEST_CASE("what is no map and cannot be moved aside is an error with the way out") {
    const PinDirectory directory;
    const std::string pin = fill_before(directory) + "/tags";
    fs::remove(pin);
    fs::create_directory(pin);
    REQUIRE(::mount("none", pin.c_str(), "tmpfs", 0, "mode=0700") == 0);
    const Error refused = directory.refusal();
    REQUIRE(::umount(pin.c_str()) == 0);
    CHECK(refused.message.find("moving \"" + pin + "\" aside, which is no map of this filter: ") == 0);
    CHECK(refused.hint == "rm -r " + pin);
}

TEST_CASE("a daemon that is not root trusts root's pins and its own, and no other's") {
    const PinDirectory directory;
    fs::create_directory(directory.pins());
    REQUIRE(::chown(directory.pins().c_str(), kStranger, kStranger) == 0);
    const std::string pin = directory.pins() + "/share-eth0";
    fs::create_directory(pin);
    const auto check_as = [&](uid_t user) {
        bool trusted = false;
        std::thread([&] { // the system call changes the thread alone
            trusted = ::syscall(SYS_setresuid, -1, user, -1) == 0 && xdp::check_pin_directory(directory.pins());
        })
            .join();
        return trusted;
    };
    for (const uid_t owner : {uid_t{0}, kStranger, uid_t{65533}}) {
        CAPTURE(owner);
        REQUIRE(::chown(pin.c_str(), owner, owner) == 0);
        CHECK(check_as(kStranger) == (owner != 65533));
    }
}

TEST_CASE("a link of another kind is the link of no interface") {
    const PinDirectory directory;
    fs::create_directory(directory.pins());
    const bpf_insn pass[] = {{BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 1}, {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
    LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_SK_LOOKUP);
    const Fd program(bpf_prog_load(BPF_PROG_TYPE_SK_LOOKUP, "any", "GPL", pass, std::size(pass), &options));
    REQUIRE(program);
    const test::OwnNetwork network("true");
    const Fd here(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    const Fd link(bpf_link_create(program.get(), here.get(), BPF_SK_LOOKUP, nullptr));
    REQUIRE(link);
    const std::string pin = xdp::pin_of_link(directory.pins(), "eth0");
    REQUIRE(bpf_obj_pin(link.get(), pin.c_str()) == 0);
    CHECK(xdp::interface_of_link(pin) == 0);
}

TEST_CASE("a pin that cannot be put back is an error with the way out") {
    const PinDirectory directory;
    const xdp::Filter running = directory.load();
    const std::string pin = xdp::maps_directory(directory.pins()) + "/tags";
    fs::remove(pin);
    fs::create_directory(pin);
    REQUIRE(::mount("none", pin.c_str(), "tmpfs", 0, "mode=0700") == 0);
    const auto next = xdp::Filter::load(
        test::settings(), directory.pins(), [](const auto&) {}, &running);
    REQUIRE(::umount(pin.c_str()) == 0);
    REQUIRE_FALSE(next);
    CHECK(next.error().message.find("pinning the map \"" + pin + "\" again: ") == 0);
    CHECK(next.error().hint == "rm -r " + pin);
}

TEST_CASE("a pin without a name of ours is left alone, whoever owns it") {
    const PinDirectory directory;
    fill_before(directory);
    const std::string path = directory.pins() + "/theirs";
    REQUIRE(bpf_obj_pin(any_program().get(), path.c_str()) == 0);
    REQUIRE(::chown(path.c_str(), kStranger, kStranger) == 0);
    xdp::Filter filter = directory.load();
    check_found(filter);
    filter.detach_others({});
    REQUIRE(xdp::Filter::remove_pins(directory.pins()));
    CHECK(fs::exists(path));
    CHECK_FALSE(fs::exists(xdp::maps_directory(directory.pins())));
}
