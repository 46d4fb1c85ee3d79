// SPDX-License-Identifier: MIT
//
// A rule that is added in one place is one by which all refuse who ask: the judge before the factor, the privileged
// process, and the re-check of what stands.
#include "fixtures.h"
#include "seams.h"

#include "daemon/authz/grant_book.h"

using namespace xk;
using namespace xk::test;

namespace {

struct BobBarred {
    BobBarred() { bob_is_barred = true; }
    ~BobBarred() { bob_is_barred = false; }
};

struct Callers {
    Setup setup;
    GrantBook book;
    std::set<Address> own;
    GrantRequest request{kPlain, address("192.0.2.7"), service_id("ssh"), {}, {}, false, 0};
    Pinhole ssh{address("192.0.2.7"), {}, {IpProtocol::tcp, 22}};

    Answer permit() { return permit_open(request, {setup.policy, book, setup.bans, own, 100}, setup.now).answer; }
    const wire::CredentialId& bob() const { return setup.policy.credentials[kPlain].id; }
    // As Grants does at a reload.
    std::size_t ended_at_reload() const {
        return book
            .plan_keep([&](const Pinhole& pinhole, const Holder& holder) {
                const bool kept = may_keep(setup.policy, holder.credential, pinhole, setup.now).is_allowed();
                return kept ? EndCause::none : EndCause::rights;
            })
            .size();
    }
    // As Grants does each second, of those whom time can bar.
    std::size_t ended_by_time() const {
        return book
            .plan_keep([&](const Pinhole&, const Holder& holder) {
                const Credential& c = setup.policy.credentials[*setup.policy.find_credential(holder.credential)];
                const bool ends = is_bound_in_time(c) && lapsed(setup.policy, c, setup.now).has_value();
                return ends ? EndCause::rights : EndCause::none;
            })
            .size();
    }
};

} // namespace

TEST_CASE("without the new rule bob is let in, permitted and kept") {
    Callers callers;
    CHECK(is_accepted(callers.setup.knock(kPlain)));
    CHECK(callers.permit() == Answer::done);
    callers.book.enter_changes({callers.book.plan_open(callers.ssh, {callers.bob(), callers.setup.now.boot + 60s})});
    CHECK(callers.ended_at_reload() == 0);
    CHECK(callers.ended_by_time() == 0);
}

TEST_CASE("by the new rule the judge, the privileged process and the re-check refuse bob, and nobody else") {
    Callers callers;
    callers.book.enter_changes({callers.book.plan_open(callers.ssh, {callers.bob(), callers.setup.now.boot + 60s})});
    const BobBarred barred;
    CHECK(is_refused(callers.setup.knock(kPlain), Reject::expired));
    CHECK(callers.permit() == Answer::refused);
    CHECK(callers.ended_at_reload() == 1);
    CHECK(callers.ended_by_time() == 1);
    CHECK(may_keep(callers.setup.policy, callers.bob(), callers.ssh, callers.setup.now).reason == Reject::expired);
    CHECK(is_entitled(callers.setup.policy, callers.bob(), callers.ssh)); // which asks of no time

    CHECK(is_accepted(callers.setup.knock(kHmac)));
    callers.request.credential = kHmac;
    CHECK(callers.permit() == Answer::done);
}

TEST_CASE("a rule of time, place or standing is asked before the factor: no code counts") {
    Callers callers;
    callers.setup.policy.credentials[kTotp].user = Name("bob");
    callers.setup.restart();
    const BobBarred barred;
    Request r = callers.setup.request(kTotp);
    Setup::set_code(r, "000000");
    CHECK(is_refused(callers.setup.knock(kTotp, r), Reject::expired));
    CHECK(callers.setup.record(kTotp).failures == 0);
}
