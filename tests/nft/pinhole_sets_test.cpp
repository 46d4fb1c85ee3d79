// SPDX-License-Identifier: MIT
#include "daemon/nft/pinhole_sets.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

using namespace xk;
using namespace xk::nft;
using authz::Pinhole;

namespace {

Address address(const char* text) { return Address::parse(text).value(); }
Endpoint endpoint(const char* text) { return Endpoint::parse(text).value(); }

const std::vector<PortRange> kRanges = {PortRange::parse("tcp/27015-27030").value(),
                                        PortRange::parse("udp/5000-5001").value()};

std::vector<std::string> names(const std::vector<PinholeSet>& sets) {
    std::vector<std::string> found;
    for (const PinholeSet& set : sets) {
        CHECK(set.name.table == "xknock");
        found.push_back(set.name.set);
    }
    return found;
}

using Key = std::vector<std::uint8_t>;

} // namespace

TEST_CASE("there is a set for each shape and family, and those of ranges and hosts behind only where they are wanted") {
    const std::vector<std::string> plain = {"grants4", "grants6", "once4", "once6"};
    CHECK(names(pinhole_sets({}, false)) == plain);
    std::vector<std::string> all = plain;
    all.insert(all.end(), {"forward4", "forward6", "forward_once4", "forward_once6"});
    CHECK(names(pinhole_sets({}, true)) == all);
    all.insert(all.end(), {"grants4_tcp_27015_27030", "grants6_tcp_27015_27030", "grants4_udp_5000_5001",
                           "grants6_udp_5000_5001"});
    CHECK(names(pinhole_sets(kRanges, true)) == all);
    for (const PinholeSet& set : pinhole_sets(kRanges, true)) {
        CHECK(set.v4 == (set.name.set.find('4') != std::string::npos));
        CHECK(set.forward == set.name.set.starts_with("forward"));
        CHECK(set.single_use == (set.name.set.find("once") != std::string::npos));
        CHECK(set.range.has_value() ==
              (set.name.set.find("_tcp_") != std::string::npos || set.name.set.find("_udp_") != std::string::npos));
    }
}

TEST_CASE("every grant has its set among them, and comes back from its key") {
    const auto sets = names(pinhole_sets(kRanges, true));
    std::set<std::pair<std::string, Key>> seen;
    for (const char* source : {"192.0.2.7", "2001:db8::7"}) {
        const bool v4 = address(source).is_v4();
        for (const Address& target : {Address{}, address(v4 ? "198.51.100.7" : "2001:db8:7::7")})
            for (const char* port : {"tcp/22", "udp/22", "sctp/65535", "tcp/258"})
                for (const bool single_use : {false, true}) {
                    const Pinhole pinhole{address(source), target, endpoint(port)};
                    const PinholeSet set = set_of(pinhole, {}, single_use);
                    CHECK(set.v4 == v4);
                    CHECK(set.single_use == single_use);
                    CHECK(set.forward == !pinhole.is_local());
                    CHECK(std::ranges::find(sets, set.name.set) != sets.end());
                    const Key key = key_of(set, pinhole);
                    CHECK(pinhole_of(set, key) == pinhole);
                    CHECK(seen.emplace(set.name.set, key).second);
                }
        for (const PortRange& range : kRanges) {
            const Pinhole pinhole{address(source), {}, range.begin()};
            // Never single use: the element names no port.
            for (const bool single_use : {false, true}) {
                const PinholeSet set = set_of(pinhole, range, single_use);
                CHECK_FALSE(set.single_use);
                CHECK(set.range == range);
                CHECK(std::ranges::find(sets, set.name.set) != sets.end());
                CHECK(pinhole_of(set, key_of(set, pinhole)) == pinhole);
            }
        }
    }
}

TEST_CASE("keys are laid out as the kernel has them") {
    const Pinhole here{address("192.0.2.7"), {}, endpoint("tcp/258")};
    CHECK(key_of(set_of(here, {}, false), here) == Key{192, 0, 2, 7, 6, 0, 0, 0, 1, 2, 0, 0});
    const Pinhole behind{address("192.0.2.7"), address("198.51.100.9"), endpoint("udp/53")};
    CHECK(key_of(set_of(behind, {}, true), behind) == Key{192, 0, 2, 7, 198, 51, 100, 9, 17, 0, 0, 0, 0, 53, 0, 0});
    const Pinhole range{address("192.0.2.7"), {}, kRanges[0].begin()};
    CHECK(key_of(set_of(range, kRanges[0], false), range) == Key{192, 0, 2, 7});
    const Pinhole six{address("2001:db8::7"), address("2001:db8:7::7"), endpoint("tcp/22")};
    CHECK(key_of(set_of(six, {}, false), six).size() == 40);
}

TEST_CASE("a key of another form than the set's is no grant") {
    for (const PinholeSet& set : pinhole_sets(kRanges, true)) {
        const std::size_t one = set.v4 ? 4 : 16;
        const std::size_t right = set.range ? one : one * (set.forward ? 2 : 1) + 8;
        for (std::size_t size = 0; size <= 48; ++size)
            CHECK_MESSAGE(pinhole_of(set, Key(size, 1)).has_value() == (size == right), set.name.set << " " << size);
    }
}
