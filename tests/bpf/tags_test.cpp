// SPDX-License-Identifier: MIT
//
// Tags in the filter's map: which ones are there after a publication, of a daemon before us too.
#include "daemon/xdp/tags.h"

#include "pin_directory.h"

#include "bpf/abi.h"
#include "daemon/xdp/abi_values.h"
#include "daemon/xdp/hello_peers.h"
#include "daemon/xdp/map_access.h"

#include <doctest/doctest.h>

#include <cstring>
#include <set>

using namespace xk;
using test::PinDirectory;
using xdp::Map;
using namespace std::chrono_literals;

namespace {

xdp::PublishedTag published(std::uint8_t first, std::uint32_t place, BootTime expires = BootTime(100h)) {
    xdp::PublishedTag tag;
    tag.tag = wire::Tag{first, 2, 3, 4, 5, 6, 7, 8};
    for (std::size_t i = 0; i < tag.mac_key.size(); ++i)
        tag.mac_key[i] = static_cast<std::uint8_t>(i);
    tag.slot = 56'666'666u + first;
    tag.place = place;
    tag.not_before = BootTime(5s);
    tag.expires = expires;
    return tag;
}

// First bytes of the tags in the map.
std::set<int> tags_in(xdp::Filter& filter) {
    std::set<int> found;
    for (const std::uint64_t key : xdp::keys_of<std::uint64_t>(filter.map_fd(Map::tags)))
        found.insert(static_cast<int>(key & 0xff));
    return found;
}

xk_tag entry_of(xdp::Filter& filter, const wire::Tag& tag) {
    xk_tag value{};
    REQUIRE(bpf_map_lookup_elem(filter.map_fd(Map::tags), &tag, &value) == 0);
    return value;
}

} // namespace

TEST_CASE("a published tag is in the map with all that the program reads") {
    const PinDirectory directory;
    auto filter = directory.load();
    xdp::Tags tags(filter);
    REQUIRE(tags.add({published(1, 7)}));
    const auto tag = entry_of(filter, {1, 2, 3, 4, 5, 6, 7, 8});
    CHECK(tag.mac_key[0] == 0x0706050403020100u);
    CHECK(tag.mac_key[1] == 0x0f0e0d0c0b0a0908u);
    CHECK(tag.slot == 56'666'667u);
    CHECK(tag.credential == 7);
    CHECK(tag.not_before == 5'000'000'000u);
    CHECK(tag.expires == 360'000'000'000'000u);
    CHECK(tags.count() == 1);
    auto early = published(2, 7);
    early.not_before = BootTime(-1s); // before the boot
    REQUIRE(tags.add({early}));
    CHECK(entry_of(filter, {2, 2, 3, 4, 5, 6, 7, 8}).not_before == 0);
}

TEST_CASE("the hellos of a place replace those before, and no other tags") {
    const PinDirectory directory;
    auto filter = directory.load();
    xdp::Tags tags(filter);
    const auto hello = [](std::uint8_t first, std::uint32_t place) {
        auto tag = published(first, place);
        tag.kind = authz::RecordKind::hello;
        return tag;
    };
    auto request = published(9, 0);
    request.kind = authz::RecordKind::handshake_request;
    REQUIRE(tags.add({published(1, 0), request}));
    REQUIRE(tags.replace_hellos(0, {hello(2, 0), hello(3, 0)}));
    REQUIRE(tags.replace_hellos(1, {hello(4, 1)}));
    CHECK(tags_in(filter) == std::set<int>{1, 2, 3, 4, 9});
    CHECK(entry_of(filter, {2, 2, 3, 4, 5, 6, 7, 8}).kind == XK_RECORD_HELLO);
    CHECK(entry_of(filter, {1, 2, 3, 4, 5, 6, 7, 8}).kind == XK_RECORD_PACKET);
    REQUIRE(tags.replace_hellos(0, {hello(3, 0), hello(5, 0)}));
    CHECK(tags_in(filter) == std::set<int>{1, 3, 4, 5, 9});
    // The wall clock was set: the tags of packets are other ones, and those of handshakes stay.
    tags.begin_replacement();
    tags.end_replacement();
    CHECK(tags_in(filter) == std::set<int>{3, 4, 5, 9});
    // The device is gone, and all that it had.
    tags.begin_replacement_of({0});
    tags.end_replacement_of({0});
    CHECK(tags_in(filter) == std::set<int>{4});
}

TEST_CASE("the peer of a hello is taken once, and in time") {
    const PinDirectory directory;
    auto filter = directory.load();
    const auto enter = [&](std::int64_t arrived) {
        xk_peer peer{};
        peer.source = xdp::abi(Address::v4(192, 0, 2, 7));
        peer.destination = xdp::abi(Address::v4(192, 0, 2, 1));
        peer.source_port = 40000;
        REQUIRE(bpf_map_update_elem(filter.map_fd(Map::hello_peers), &peer, &arrived, BPF_ANY) == 0);
    };
    const Address from = Address::v4(192, 0, 2, 7), to = Address::v4(192, 0, 2, 1);
    CHECK_FALSE(xdp::take_peer(filter, from, to, 40000, BootTime(20s)));
    enter(5'000'000'000);
    CHECK_FALSE(xdp::take_peer(filter, from, to, 40001, BootTime(20s)));
    CHECK_FALSE(xdp::take_peer(filter, to, from, 40000, BootTime(20s)));
    CHECK(xdp::take_peer(filter, from, to, 40000, BootTime(20s)));
    CHECK_FALSE(xdp::take_peer(filter, from, to, 40000, BootTime(20s)));
    enter(5'000'000'000);
    CHECK_FALSE(xdp::take_peer(filter, from, to, 40000, BootTime(20s) + 1ns));
    enter(5'000'000'001);
    CHECK_FALSE(xdp::take_peer(filter, from, to, 40000, BootTime(5s)));
}

TEST_CASE("a replacement takes away what is not published again, of a daemon before us too") {
    const PinDirectory directory;
    {
        auto before = directory.load();
        xdp::Tags tags(before);
        REQUIRE(tags.add({published(1, 0), published(2, 0), published(3, 1)}));
    }
    auto filter = directory.load();
    xdp::Tags tags(filter);
    tags.begin_replacement();
    CHECK(tags_in(filter) == std::set<int>{1, 2, 3}); // each counts until the new ones do
    REQUIRE(tags.add({published(2, 0), published(4, 1)}));
    CHECK(tags_in(filter) == std::set<int>{1, 2, 3, 4});
    tags.end_replacement();
    CHECK(tags_in(filter) == std::set<int>{2, 4});
    CHECK(tags.count() == 2);
    tags.end_replacement();
    CHECK(tags_in(filter) == std::set<int>{2, 4});
}

TEST_CASE("tags of a daemon before us stay with what is added to them") {
    const PinDirectory directory;
    {
        auto before = directory.load();
        REQUIRE(xdp::Tags(before).add({published(1, 0)}));
    }
    auto filter = directory.load();
    xdp::Tags tags(filter);
    REQUIRE(tags.add({published(2, 0)}));
    CHECK(tags.count() == 2);
    tags.expire(BootTime(1000h)); // its time is not known here; the program looks at it
    CHECK(tags_in(filter) == std::set<int>{1});
    tags.begin_replacement();
    tags.end_replacement();
    CHECK(tags_in(filter).empty());
}

TEST_CASE("a replacement of some places leaves the others alone") {
    const PinDirectory directory;
    auto filter = directory.load();
    xdp::Tags tags(filter);
    REQUIRE(tags.add({published(1, 0), published(2, 0), published(3, 1), published(4, 2)}));
    tags.begin_replacement_of({0, 2, 9});
    REQUIRE(tags.add({published(2, 0), published(5, 0)}));
    tags.end_replacement_of({0, 2, 9});
    CHECK(tags_in(filter) == std::set<int>{2, 3, 5});
    CHECK(tags.count() == 3);
    // A tag that stayed still belongs to its place.
    tags.begin_replacement_of({0});
    tags.end_replacement_of({0});
    CHECK(tags_in(filter) == std::set<int>{3});
    REQUIRE(tags.add({published(1, 0)}));
    tags.end_replacement_of({0, 1});
    CHECK(tags_in(filter) == std::set<int>{1, 3});
}

TEST_CASE("a tag that is published again after a restart goes with its place") {
    const PinDirectory directory;
    {
        auto before = directory.load();
        REQUIRE(xdp::Tags(before).add({published(1, 0), published(2, 1), published(3, 7)}));
    }
    auto filter = directory.load();
    xdp::Tags tags(filter);
    tags.begin_replacement();
    REQUIRE(tags.add({published(1, 0), published(2, 1)}));
    tags.end_replacement();
    CHECK(tags_in(filter) == std::set<int>{1, 2});
    tags.begin_replacement_of({0, 7});
    tags.end_replacement_of({0, 7});
    CHECK(tags_in(filter) == std::set<int>{2});
    CHECK(tags.count() == 1);
}

TEST_CASE("a tag belongs to the place for which it was published last, and to no other") {
    const PinDirectory directory;
    auto filter = directory.load();
    xdp::Tags tags(filter);
    REQUIRE(tags.add({published(1, 0), published(2, 0)}));
    REQUIRE(tags.add({published(1, 5)}));
    tags.begin_replacement_of({0});
    tags.end_replacement_of({0});
    CHECK(tags_in(filter) == std::set<int>{1});
    tags.expire(BootTime(100h));
    CHECK(tags_in(filter).empty());
    REQUIRE(tags.add({published(1, 6)}));
    tags.begin_replacement_of({0, 5});
    tags.end_replacement_of({0, 5});
    CHECK(tags_in(filter) == std::set<int>{1});
    CHECK(tags.count() == 1);
}

TEST_CASE("tags that are over go") {
    const PinDirectory directory;
    auto filter = directory.load();
    xdp::Tags tags(filter);
    REQUIRE(tags.add({published(1, 0, BootTime(10s)), published(2, 0, BootTime(20s))}));
    tags.expire(BootTime(10s) - 1ns);
    CHECK(tags_in(filter) == std::set<int>{1, 2});
    tags.expire(BootTime(10s));
    CHECK(tags_in(filter) == std::set<int>{2});
    CHECK(tags.count() == 1);
    REQUIRE(tags.add({published(2, 0, BootTime(30s))})); // published again, for longer
    tags.expire(BootTime(20s));
    CHECK(tags_in(filter) == std::set<int>{2});
}

TEST_CASE("more tags than the map holds are an error, and what is in it stays") {
    const PinDirectory directory;
    auto filter = directory.load();
    xdp::Tags tags(filter);
    std::vector<xdp::PublishedTag> many(XK_MAX_TAGS + 1, published(1, 0));
    for (std::uint32_t i = 0; i < many.size(); ++i) {
        std::memcpy(many[i].tag.data(), &i, sizeof i);
        many[i].place = i / 20; // a handful each
    }
    const auto full = tags.add(many);
    REQUIRE_FALSE(full);
    CHECK(full.error().message.find("writing the filter's tags: ") == 0);
    CHECK(tags.count() == XK_MAX_TAGS);
}
