// SPDX-License-Identifier: MIT
//
// A reload of one credential, while the judge goes on: what the others have stays, and what waits goes on to wait.
#include "fixtures.h"

using namespace xk;
using namespace xk::test;

namespace {

// A host in front that says "later" to each use.
struct Later : Admission {
    Admitted consume_use(const Use&) override { return Admitted::later; }
};

struct Reload {
    explicit Reload(Setup& setup) : setup_(setup) {
        change.places = static_cast<std::uint32_t>(setup.policy.credentials.size());
        change.settings = setup.policy.settings;
        change.services = setup.policy.services;
    }
    void give(std::uint32_t place, const Credential& credential, const Key& key) {
        change.changed.push_back({place, credential});
        CredentialKeys& k = keys_.emplace_back();
        derive_keys(k, key, kServer, credential.id);
        FactorSecret& factor = factors_.emplace_back();
        if (credential.factor == FactorKind::hmac) {
            factor.size = kHmacKey.size();
            std::ranges::copy(kHmacKey, factor.bytes);
        }
    }
    void run() {
        REQUIRE(is_sound(change));
        setup_.judge->change_policy(change, keys_, factors_, setup_.now);
        setup_.judge->follow_clock(setup_.now);
    }
    PolicyChange change;

  private:
    Setup& setup_;
    std::vector<CredentialKeys> keys_;
    std::vector<FactorSecret> factors_;
};

} // namespace

TEST_CASE("of a credential with another key the old one counts no more, and nobody else notices") {
    Setup setup;
    const Record old = setup.sealed(kPlain, setup.request(kPlain));
    Reload reload(setup);
    reload.give(kPlain, setup.policy.credentials[kPlain], Key{99});
    reload.run();
    CHECK(is_refused(setup.judged(old), Reject::tag));
    CHECK(is_accepted(setup.knock(kTotp)));
    CHECK(is_accepted(setup.knock(kHmac)));
    Reload back(setup);
    back.give(kPlain, setup.policy.credentials[kPlain], Key{kPlain + 1});
    back.run();
    CHECK(is_accepted(setup.knock(kPlain)));
}

TEST_CASE("a credential of a new place has its own key and its own factor") {
    Setup setup;
    const auto place = static_cast<std::uint32_t>(setup.policy.credentials.size()) + 2;
    setup.policy.credentials.resize(place + 1);
    Credential& dora = setup.policy.credentials[place] = setup.policy.credentials[kHmac];
    dora.id = {77, 0xcc};
    Reload reload(setup);
    reload.give(place, dora, Key{static_cast<std::uint8_t>(place + 1)});
    reload.run();
    CHECK(is_accepted(setup.knock(place)));
    CHECK(is_accepted(setup.knock(kHmac)));
    CHECK(is_accepted(setup.knock(kTotp)));
    Request wrong = setup.request(place);
    wrong.proof[0] = 1;
    CHECK(is_refused(setup.knock(place, wrong), Reject::wrong_code));
}

TEST_CASE("an emptied place is nobody's, and the next one at it has their own record") {
    Setup setup;
    CHECK(is_accepted(setup.knock(kPlain)));
    Reload gone(setup);
    gone.change.emptied = {kPlain};
    gone.run();
    CHECK(is_refused(setup.knock(kPlain), Reject::tag));
    Credential& next = setup.policy.credentials[kPlain];
    next.id = {77, 0xcc};
    next.user = Name("dora");
    Reload came(setup);
    came.give(kPlain, next, Key{kPlain + 1});
    came.run();
    CHECK(is_accepted(setup.knock(kPlain)));
    CHECK(setup.record(kPlain).accepted == 1);
}

TEST_CASE("a reload changes the services that count, and the settings") {
    Setup setup;
    Request web = setup.request(kHmac);
    web.service = service_id("web");
    CHECK(is_accepted(setup.knock(kHmac, web)));
    Reload reload(setup);
    reload.change.services.resize(1);
    reload.change.settings.skew = 10s;
    reload.run();
    Request again = setup.request(kHmac);
    again.service = service_id("web");
    CHECK(is_refused(setup.knock(kHmac, again), Reject::service));
    Request slow = setup.request(kHmac);
    slow.clock -= 11s;
    CHECK(is_refused(setup.knock(kHmac, slow), Reject::stale));
    CHECK(is_accepted(setup.knock(kHmac)));
}

TEST_CASE("records of credentials that are gone are reused, at the start and at a reload") {
    for (const bool at_start : {true, false}) {
        Setup setup;
        std::uint64_t number = 1;
        for (wire::CredentialId id{0xff}; setup.state.credential(id) != nullptr; ++number)
            store_be<std::uint64_t>(id, 0xff00000000000000u + number);
        Credential& plain = setup.policy.credentials[kPlain];
        plain.id = {77, 0xcc};
        if (at_start) {
            setup.restart();
        } else {
            Reload reload(setup);
            reload.give(kPlain, plain, Key{kPlain + 1});
            reload.run();
        }
        CHECK(is_accepted(setup.knock(kPlain)));
    }
}

TEST_CASE("a change that names a place twice, one that is not there, or nobody, is not sound") {
    const Credential somebody = Setup::make_policy().credentials.front();
    const auto sound = [&](std::vector<PlacedCredential> changed, std::vector<std::uint32_t> emptied) {
        PolicyChange change;
        change.places = 3;
        change.changed = std::move(changed);
        change.emptied = std::move(emptied);
        return is_sound(change);
    };
    CHECK(sound({}, {}));
    CHECK(sound({{0, somebody}, {2, somebody}}, {1}));
    CHECK_FALSE(sound({{1, somebody}, {1, somebody}}, {}));
    CHECK_FALSE(sound({{1, somebody}}, {1}));
    CHECK_FALSE(sound({}, {1, 1}));
    CHECK_FALSE(sound({{3, somebody}}, {}));
    CHECK_FALSE(sound({}, {3}));
    CHECK_FALSE(sound({{0, Credential{}}}, {}));
    PolicyChange most;
    most.places = kMaxCredentials;
    CHECK(is_sound(most));
    ++most.places;
    CHECK_FALSE(is_sound(most));
}

TEST_CASE("a use that waits is granted after a reload of somebody else, and not of one who is gone") {
    Later later;
    Setup setup;
    setup.admission = &later;
    setup.restart();
    const Request of_anna = setup.request(kHmac), of_bob = setup.request(kPlain);
    REQUIRE(setup.knock(kHmac, of_anna).pending() != nullptr);
    REQUIRE(setup.knock(kPlain, of_bob).pending() != nullptr);
    Reload reload(setup);
    reload.change.emptied = {kPlain};
    reload.run();
    REQUIRE(setup.judge->pending() == 2);
    const auto admitted = [&](std::uint32_t who, const Request& r) {
        const auto outcome = setup.judge->on_admitted({setup.policy.credentials[who].id, r.id}, Admitted::granted,
                                                      setup.now, setup.firewall);
        REQUIRE(outcome);
        return *outcome;
    };
    CHECK(is_accepted(admitted(kHmac, of_anna)));
    CHECK(is_refused(admitted(kPlain, of_bob), Reject::disabled));
    CHECK(setup.firewall.opened.size() == 1);
}
