// SPDX-License-Identifier: MIT
//
// Lifetimes over recorded sessions and sockets, beside grants.
#pragma once

#include "daemon/grants/lifetimes.h"
#include "tests/unit/grants/fixtures.h"
#include "tests/unit/recording/sessions.h"

namespace xk::test {

inline const Address kClient = address("203.0.113.5");
inline const Address kHost = Address::v4(192, 0, 2, 1);
inline const Pinhole kSsh = pinhole("203.0.113.5", "tcp/22");
inline const Pinhole kVpn = pinhole("203.0.113.5", "udp/51820");
inline const Pinhole kDb = pinhole("203.0.113.5", "tcp/5432");

// From the client's port 40000 to a port of this host, as connection tracking has it.
inline nft::Session session(const Address& client, const char* port, std::uint16_t from = 40000) {
    const Endpoint to = Endpoint::parse(port).value();
    nft::Session s;
    s.there = {to.protocol, client, kHost, from, to.port};
    s.back = s.there.reversed();
    s.alive = true;
    return s;
}

struct SessionFixture : GrantFixture {
    explicit SessionFixture(config::Config c = make_config())
        : GrantFixture(std::move(c)), lifetimes({std::make_unique<RecordingSessions>(faults, tracked),
                                                 std::make_unique<RecordingSockets>(faults, sockets), sets},
                                                grants, owners, events) {
        reporter.add_listener(owners);
        reporter.add_listener(lifetimes);
        grants.on_open([this](nft::Transaction& t, const Pinhole& at) { lifetimes.on_opening(t, at, own); },
                       [this](const Pinhole& at) { lifetimes.on_opened(at, own); });
        REQUIRE(lifetimes.adopt(true, false)); // nothing ended while nobody was there
    }

    // As the daemon does it, once a second.
    Result<void> tick() {
        grants.expire(now.boot);
        report();
        auto done = lifetimes.on_tick(*config, bans, own, now);
        report();
        return done;
    }
    bool lives(const nft::Session& s) const {
        return std::ranges::any_of(tracked, [&](const nft::Session& t) { return t.there == s.there; });
    }
    // A TCP session of this host has a socket too.
    void begin(const nft::Session& s) {
        tracked.push_back(s);
        if (s.there.protocol == IpProtocol::tcp)
            sockets.sockets.push_back({{s.there, s.back, true, false, {}}, {}, 2});
    }

    std::vector<nft::Session> tracked;
    nft::Sockets::List sockets;
    Owners owners{grants};
    Lifetimes lifetimes;
};

} // namespace xk::test
