// SPDX-License-Identifier: MIT
//
// A reload of one credential, while the judge goes on: what the others have stays, and what waits goes on to wait.
#include "fixtures.h"

using namespace xk;
using namespace xk::test;

namespace {

// A host in front that says "later" to each use.
struct Later : Admission {
    Admitted consume(const Use&) override { return Admitted::later; }
};

struct Reload {
    explicit Reload(Court& court) : court_(court) {
        change.places = static_cast<std::uint32_t>(court.policy.credentials.size());
        change.settings = court.policy.settings;
        change.services = court.policy.services;
    }
    void give(std::uint32_t place, const Credential& credential, const Key& key) {
        change.changed.push_back({place, credential});
        CredentialKeys& k = keys_.emplace_back();
        derive(k, key, kServer, credential.id);
        factors_.emplace_back();
    }
    void run() {
        REQUIRE(is_sound(change));
        court_.judge->change(change, keys_, factors_, court_.now);
        court_.judge->follow_clock(court_.now);
    }
    PolicyChange change;

  private:
    Court& court_;
    std::vector<CredentialKeys> keys_;
    std::vector<FactorSecret> factors_;
};

} // namespace

TEST_CASE("of a credential with another key the old one counts no more, and nobody else notices") {
    Court court;
    const Record old = court.sealed(kPlain, court.request(kPlain));
    Reload reload(court);
    reload.give(kPlain, court.policy.credentials[kPlain], Key{99});
    reload.run();
    CHECK(is_refused(court.judged(old), Reject::tag));
    CHECK(is_accepted(court.knock(kTotp)));
    CHECK(is_accepted(court.knock(kHmac)));
    Reload back(court);
    back.give(kPlain, court.policy.credentials[kPlain], Key{kPlain + 1});
    back.run();
    CHECK(is_accepted(court.knock(kPlain)));
}

TEST_CASE("an emptied place is nobody's, and the next one at it has their own record") {
    Court court;
    CHECK(is_accepted(court.knock(kPlain)));
    Reload gone(court);
    gone.change.emptied = {kPlain};
    gone.run();
    CHECK(is_refused(court.knock(kPlain), Reject::tag));
    Credential& next = court.policy.credentials[kPlain];
    next.id = {77, 0xcc};
    next.user = Name("dora");
    Reload came(court);
    came.give(kPlain, next, Key{kPlain + 1});
    came.run();
    CHECK(is_accepted(court.knock(kPlain)));
    CHECK(court.record(kPlain).accepted == 1);
}

TEST_CASE("a use that waits is granted after a reload of somebody else, and not of one who is gone") {
    Later later;
    Court court;
    court.admission = &later;
    court.restart();
    const Request of_anna = court.request(kHmac), of_bob = court.request(kPlain);
    REQUIRE(court.knock(kHmac, of_anna).pending() != nullptr);
    REQUIRE(court.knock(kPlain, of_bob).pending() != nullptr);
    Reload reload(court);
    reload.change.emptied = {kPlain};
    reload.run();
    REQUIRE(court.judge->pending() == 2);
    const auto admitted = [&](std::uint32_t who, const Request& r) {
        const auto outcome = court.judge->on_admitted({court.policy.credentials[who].id, r.id}, Admitted::granted,
                                                      court.now, court.firewall);
        REQUIRE(outcome);
        return *outcome;
    };
    CHECK(is_accepted(admitted(kHmac, of_anna)));
    CHECK(is_refused(admitted(kPlain, of_bob), Reject::disabled));
    CHECK(court.firewall.opened.size() == 1);
}
