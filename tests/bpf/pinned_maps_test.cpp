// SPDX-License-Identifier: MIT
//
// Maps of another release, or of another size, under the pins of this one: what they hold is found again.
#include "daemon/xdp/pinned_maps.h"

#include "daemon/xdp/maps.h"
#include "daemon/xdp/syn_guard.h"
#include "knock.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <doctest/doctest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

using namespace xk;
using namespace std::chrono_literals;

namespace {

class PinDirectory {
  public:
    PinDirectory() {
        REQUIRE(::mkdtemp(path_) != nullptr);
        REQUIRE(::mount("bpf", path_, "bpf", 0, nullptr) == 0);
    }
    ~PinDirectory() {
        ::umount2(path_, MNT_DETACH);
        ::rmdir(path_);
    }
    PinDirectory(const PinDirectory&) = delete;
    PinDirectory& operator=(const PinDirectory&) = delete;
    std::string pins() const { return std::string(path_) + "/xknock"; }

  private:
    char path_[32] = "/tmp/xk-pinned-maps.XXXXXX";
};

xdp::Filter load(const std::string& pins, std::vector<std::string>* notes = nullptr) {
    xdp::FilterSettings settings;
    settings.knock_port = 62201;
    auto filter = xdp::Filter::load(settings, pins, [&](const std::string& note) {
        if (notes == nullptr)
            FAIL(note);
        else
            notes->push_back(note);
    });
    REQUIRE_MESSAGE(filter.has_value(), filter.error().message);
    return *std::move(filter);
}

std::uint32_t id_of(int fd) {
    bpf_map_info info{};
    __u32 size = sizeof info;
    REQUIRE(bpf_obj_get_info_by_fd(fd, &info, &size) == 0);
    return info.id;
}

const Prefix kAddress = Prefix::parse("203.0.113.9").value(), kNetwork = Prefix::parse("2001:db8:9::/64").value();
const BootTime kUntil(std::chrono::hours(100'000));
const xk_seen kSeen{0x7a67, 0x3ac0};

// Bans, a disabled credential, a packet that was seen, a counter, a source that may begin connections.
void fill(xdp::Filter& filter) {
    REQUIRE(xdp::put_ban(filter, kAddress, kUntil));
    REQUIRE(xdp::put_ban(filter, kNetwork, std::nullopt));
    REQUIRE(xdp::set_disabled(filter, {false, true, false}));
    const std::uint64_t slot = 5;
    REQUIRE(bpf_map_update_elem(filter.map_fd(filter.skeleton().maps.seen), &kSeen, &slot, BPF_ANY) == 0);
    std::vector<std::uint64_t> each(static_cast<std::size_t>(libbpf_num_possible_cpus()), 3);
    const std::uint32_t counter = XK_BANNED;
    REQUIRE(bpf_map_update_elem(filter.map_fd(filter.skeleton().maps.counters), &counter, each.data(), BPF_ANY) == 0);
    xdp::SynGuard guard(filter, [](const std::string& note) { FAIL(note); });
    REQUIRE(guard.begin(BootClock::now()));
    guard.admit(kAddress.address, BootClock::now() + 1h);
}

void check_found(xdp::Filter& filter) {
    const authz::BanList bans = xdp::read_bans(filter);
    REQUIRE(bans.all().contains(kAddress));
    CHECK(bans.all().at(kAddress).until == kUntil);
    REQUIRE(bans.all().contains(kNetwork));
    CHECK_FALSE(bans.all().at(kNetwork).until);
    const std::uint32_t second = 1;
    xk_credential credential{};
    REQUIRE(bpf_map_lookup_elem(filter.map_fd(filter.skeleton().maps.credentials), &second, &credential) == 0);
    CHECK(credential.disabled == 1);
    std::uint64_t slot = 0;
    REQUIRE(bpf_map_lookup_elem(filter.map_fd(filter.skeleton().maps.seen), &kSeen, &slot) == 0);
    CHECK(slot == 5);
    CHECK(xdp::read_counters(filter).value()[XK_BANNED] == 3u * static_cast<unsigned>(libbpf_num_possible_cpus()));
    xdp::SynGuard guard(filter, [](const std::string& note) { FAIL(note); });
    REQUIRE(guard.begin(BootClock::now()));
    CHECK(guard.known() == 1);
}

// The pin is then of a map of the same kind with room for so many, with what the old one held.
void resize(xdp::Filter& filter, const std::string& pin, const char* name, std::uint32_t most,
            std::uint32_t value_size = 0) {
    bpf_map* const map = bpf_object__find_map_by_name(filter.skeleton().obj, name);
    REQUIRE(map != nullptr);
    LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = bpf_map__map_flags(map));
    const std::uint32_t size = value_size != 0 ? value_size : bpf_map__value_size(map);
    const Fd other(bpf_map_create(bpf_map__type(map), nullptr, bpf_map__key_size(map), size, most, &options));
    REQUIRE(other);
    std::vector<char> key(bpf_map__key_size(map)), value(4096);
    if (value_size == 0)
        for (const void* at = nullptr; bpf_map_get_next_key(bpf_map__fd(map), at, key.data()) == 0; at = key.data()) {
            REQUIRE(bpf_map_lookup_elem(bpf_map__fd(map), key.data(), value.data()) == 0);
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
        xdp::Filter before = load(directory.pins());
        fill(before);
        seen = id_of(before.map_fd(before.skeleton().maps.seen));
    }
    std::filesystem::rename(xdp::maps_directory(directory.pins()), xdp::misfits_directory(directory.pins()));
    xdp::Filter filter = load(directory.pins());
    CHECK(id_of(filter.map_fd(filter.skeleton().maps.seen)) == seen); // no packet falls between two programs
    check_found(filter);
    CHECK(std::filesystem::exists(xdp::misfits_directory(directory.pins()))); // until it is attached
    filter.detach_others({});
    CHECK_FALSE(std::filesystem::exists(xdp::misfits_directory(directory.pins())));
    xdp::Filter again = load(directory.pins());
    check_found(again);
}

TEST_CASE("of maps of another size the entries are copied, also when the start before died") {
    const PinDirectory directory;
    const std::string maps = xdp::maps_directory(directory.pins());
    {
        xdp::Filter before = load(directory.pins());
        fill(before);
        resize(before, maps + "/banned_addresses", "banned_addresses", 1000);
        resize(before, maps + "/banned_networks", "banned_networks", 1000);
        resize(before, maps + "/seen", "seen", 1024);
        resize(before, maps + "/counters", "counters", 5);
        resize(before, maps + "/known_sources", "known_sources", 1000);
    }
    std::vector<std::string> notes;
    {
        xdp::Filter filter = load(directory.pins(), &notes);
        CHECK(notes.size() == 1);
        check_found(filter);
    }
    // Dead before it was attached: the new maps are there, and what they hold does not count yet.
    for (const char* name : {"banned_addresses", "seen"})
        REQUIRE(::unlink((maps + "/" + name).c_str()) == 0);
    xdp::Filter filter = load(directory.pins());
    check_found(filter);
}

TEST_CASE("a map whose values are of another size begins anew, and is named; the others are found") {
    const PinDirectory directory;
    const std::string maps = xdp::maps_directory(directory.pins());
    {
        xdp::Filter before = load(directory.pins());
        fill(before);
        resize(before, maps + "/tags", "tags", 1000, 8);
    }
    std::vector<std::string> notes;
    xdp::Filter filter = load(directory.pins(), &notes);
    REQUIRE(notes.size() == 2);
    CHECK(notes[1] == "the filter's map tags of another release has another layout and begins anew");
    check_found(filter);
}

TEST_CASE("what a newer release means by its maps is not known here") {
    const PinDirectory directory;
    {
        xdp::Filter before = load(directory.pins());
        fill(before);
    }
    std::filesystem::rename(xdp::maps_directory(directory.pins()), directory.pins() + "/maps999");
    xdp::Filter filter = load(directory.pins());
    CHECK(xdp::read_bans(filter).all().empty());
}
