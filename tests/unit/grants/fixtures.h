// SPDX-License-Identifier: MIT
//
// Grants over recorded sets: a configuration with some services and users, and clocks that only the test moves.
#pragma once

#include "daemon/grants/grant_element.h"
#include "daemon/grants/grant_events.h"
#include "daemon/grants/grants.h"
#include "tests/unit/recording/events.h"
#include "tests/unit/recording/filter.h"
#include "tests/unit/recording/sets.h"

#include <doctest/doctest.h>

#include <functional>
#include <memory>

namespace xk::test {

using namespace std::chrono_literals;
using authz::Answer;
using authz::EndCause;
using authz::EventKind;
using authz::Pinhole;

inline Address address(const std::string& text) { return Address::parse(text).value(); }
inline Prefix prefix(const std::string& text) { return Prefix::parse(text).value(); }
inline Pinhole pinhole(const std::string& source, const char* port) {
    return {address(source), {}, Endpoint::parse(port).value()};
}
// 198.18.0.0 and what follows: as many sources as a test wants.
inline Address source(unsigned n) {
    return Address::v4(198, static_cast<std::uint8_t>(18 + (n >> 16)), static_cast<std::uint8_t>(n >> 8),
                       static_cast<std::uint8_t>(n));
}

// Credentials, by index.
enum Who : std::uint32_t { kAnna = 0, kBob = 1, kCarl = 2 }; // and so on: "more" of make_config()

// Services: ssh (tcp/22), web (tcp/80, tcp/443), vpn (udp/51820, after: cut), db (tcp/5432, after: idle, 60 s), media
// (tcp/7000-7100). Everybody may use all of them.
inline config::Config make_config(unsigned more = 0) {
    config::Config config;
    const auto serve = [&](const char* name, std::initializer_list<const char*> ports) -> authz::Service& {
        authz::Service service;
        service.name = authz::Name(name);
        service.id = service_id(name);
        for (const char* port : ports)
            service.ports[service.port_count++] = PortRange::parse(port).value();
        config.policy.services.push_back(service);
        return config.policy.services.back();
    };
    serve("ssh", {"tcp/22"});
    serve("web", {"tcp/80", "tcp/443"});
    serve("vpn", {"udp/51820"}).after = authz::After::cut;
    authz::Service& db = serve("db", {"tcp/5432"});
    db.after = authz::After::idle;
    db.idle = 60s;
    serve("media", {"tcp/7000-7100"});
    const auto add = [&](const std::string& user) {
        authz::Credential c;
        const std::size_t n = config.policy.credentials.size() + 1;
        c.id = {static_cast<std::uint8_t>(n >> 8), static_cast<std::uint8_t>(n), 0xcc};
        c.user = authz::Name(user);
        c.device = authz::Name("laptop");
        c.binding = authz::Binding::explicit_;
        for (std::size_t i = 0; i < config.policy.services.size(); ++i)
            c.services.set(i);
        config.policy.credentials.push_back(c);
    };
    for (const char* user : {"anna", "bob", "carl"})
        add(user);
    for (unsigned i = 0; i < more; ++i)
        add("user" + std::to_string(i));
    config.policy.make_index();
    return config;
}

struct GrantFixture {
    explicit GrantFixture(config::Config c = make_config())
        : config(std::make_shared<const config::Config>(std::move(c))) {
        grants.set_guard(guard);
        grants.on_done([this](bool done) { settled.push_back(done); });
    }

    // The present configuration with a change.
    std::shared_ptr<const config::Config> changed(const std::function<void(config::Config&)>& change) const {
        auto next = std::make_shared<config::Config>(*config);
        change(*next);
        next->policy.make_index();
        return next;
    }
    void reconfigure(const std::function<void(config::Config&)>& change) {
        config = changed(change);
        REQUIRE(grants.reconfigure(config, now));
    }

    void pass(std::chrono::nanoseconds time) {
        now.boot += time;
        now.wall += std::chrono::duration_cast<std::chrono::microseconds>(time);
    }
    authz::GrantRequest request(std::uint32_t who, const Address& from, const char* service = "ssh",
                                std::uint32_t lifetime = 30) const {
        authz::GrantRequest request;
        request.credential = who;
        request.address = from;
        request.service = service_id(service);
        request.lifetime = lifetime;
        return request;
    }
    Answer open(std::uint32_t who, const Address& from, const char* service = "ssh", std::uint32_t lifetime = 30,
                bool single = false) {
        authz::GrantRequest r = request(who, from, service, lifetime);
        r.single_use = single;
        const Now then = now; // the transaction moves the clock
        return grants.open_grant(r, bans, own, then).answer;
    }
    Answer open(std::uint32_t who, const char* from, const char* service = "ssh", std::uint32_t lifetime = 30,
                bool single = false) {
        return open(who, address(from), service, lifetime, single);
    }
    const wire::CredentialId& id(std::uint32_t who) const { return config->policy.credentials[who].id; }
    bool is_open(const Pinhole& p) const { return grants.book().all().contains(p); }
    void report() { reporter.report(config->policy, now); }

    // Whether book and kernel hold the same: each pinhole that does not wait is one element with its holders, and there
    // are no others.
    void check_same() const {
        std::size_t elements = 0;
        for (const nft::PinholeSet& set : nft::pinhole_sets(config->ranges(), config->has_targets()))
            for (const nft::Element& element : sets.elements(set.name.set)) {
                const auto at = nft::pinhole_of(set, element.key);
                REQUIRE(at);
                REQUIRE_MESSAGE(grants.book().all().contains(*at), set.name.set);
                const auto& holders = grants.book().all().at(*at);
                CHECK(element.data == encode_holders(holders));
                CHECK(set.single_use == (authz::is_single_use(holders) && !set.range));
                ++elements;
            }
        CHECK(elements == grants.book().pinholes());
    }

    Now now{WallTime(1'700'000'005s), BootTime(1'000'000s)};
    Faults faults;
    RecordingSets sets{faults, now.boot};
    RecordingGuard guard;
    RecordingEvents events;
    authz::BanList bans;
    std::set<Address> own{Address::v4(192, 0, 2, 1)};
    std::shared_ptr<const config::Config> config;
    Grants grants{sets, config, [this] { return now.boot; }};
    GrantEvents reporter{grants, events};
    std::vector<bool> settled; // what on_done() was told
};

} // namespace xk::test
