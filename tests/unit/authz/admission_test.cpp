// SPDX-License-Identifier: MIT
//
// An admission that answers later, in another order, "taken" or never.
#include "fixtures.h"

#include <map>
#include <random>
#include <set>

using namespace xk;
using namespace xk::test;

namespace {

// Somebody else decides. What was granted once is granted to the same token for ever.
class RemoteAdmission : public Admission {
  public:
    Admitted consume(const Use& use) override {
        const Admitted local = local_.consume(use);
        if (local != Admitted::granted)
            return local;
        asked.push_back(use);
        if (!use.request)
            spent.push_back(use.token);
        return Admitted::later;
    }

    std::vector<Use> asked;
    std::vector<UseToken> spent; // codes of requests that the policy refuses

  private:
    LocalAdmission local_;
};

struct RemoteCourt : Court {
    RemoteCourt() {
        admission = &remote;
        restart();
    }
    std::optional<Outcome> answer(const UseToken& token, Admitted admitted) {
        return judge->on_admitted(token, admitted, now, firewall);
    }
    UseToken token(std::uint32_t who, const Request& r) const { return {policy.credentials[who].id, r.id}; }
    std::vector<Outcome> overdue() {
        std::vector<Outcome> all;
        judge->end_overdue(now, firewall, [&](const Outcome& o) { all.push_back(o); });
        return all;
    }
    std::vector<Outcome> resumed() {
        std::vector<Outcome> all;
        judge->resume(now, firewall, [&](const Outcome& o) { all.push_back(o); });
        return all;
    }

    RemoteAdmission remote;
};

bool is_pending(const Outcome& outcome, bool joined = false) {
    return outcome.pending() != nullptr && outcome.pending()->joined == joined;
}

} // namespace

TEST_CASE("a knock whose use is granted later opens then, once") {
    RemoteCourt court;
    const Request r = court.request(kTotp);
    const Record record = court.sealed(kTotp, r);
    const Outcome outcome = court.judged(record);
    REQUIRE(is_pending(outcome));
    CHECK(outcome.pending()->token == court.token(kTotp, r));
    CHECK(court.firewall.untouched());
    CHECK(court.state.header().accepted[1] == 0);
    CHECK(court.record(kTotp).accepted == 0);
    CHECK(is_refused(court.judged(record), Reject::replay)); // a copy
    court.pass(2s);
    const auto ended = court.answer(court.token(kTotp, r), Admitted::granted);
    REQUIRE(ended.has_value());
    CHECK(is_accepted(*ended));
    CHECK(ended->credential == kTotp);
    REQUIRE(court.firewall.opened.size() == 1);
    CHECK(court.firewall.opened[0].address == address("192.0.2.7"));
    CHECK(court.firewall.opened[0].service == service_id("ssh"));
    CHECK(court.record(kTotp).accepted == 1);
    CHECK(court.state.header().high_slot == slot_of(r.clock));
    CHECK_FALSE(court.answer(court.token(kTotp, r), Admitted::granted).has_value());
    CHECK(court.knock(kTotp, r).accepted()->retry);
    CHECK(court.firewall.opened.size() == 1);
}

TEST_CASE("a retry joins what waits; the same request for another address does not") {
    RemoteCourt court;
    const Request r = court.request(kTotp);
    CHECK(is_pending(court.knock(kTotp, r)));
    court.pass(1s);
    CHECK(is_pending(court.knock(kTotp, r), true));
    CHECK(is_refused(court.knock(kTotp, r, "192.0.2.8"), Reject::request_reused));
    CHECK(court.remote.asked.size() == 1);
    CHECK(court.judge->pending() == 1);
    CHECK(court.state.header().retries == 1);
    CHECK(is_accepted(*court.answer(court.token(kTotp, r), Admitted::granted)));
    CHECK(court.knock(kTotp, r).accepted()->retry);
    CHECK(court.firewall.opened.size() == 1);
}

TEST_CASE("taken is a refusal, and so is every further packet of the request") {
    RemoteCourt court;
    const Request r = court.request(kHmac);
    CHECK(is_pending(court.knock(kHmac, r)));
    CHECK(is_refused(*court.answer(court.token(kHmac, r), Admitted::taken), Reject::taken));
    CHECK(court.count(Reject::taken) == 1);
    CHECK(is_pending(court.knock(kHmac, r))); // asked again, with the same token
    CHECK(court.remote.asked[0].token == court.remote.asked[1].token);
    CHECK(is_refused(*court.answer(court.token(kHmac, r), Admitted::taken), Reject::taken));
    CHECK(court.firewall.untouched());
    Request coded = court.request(kTotp);
    CHECK(is_pending(court.knock(kTotp, coded)));
    CHECK(is_refused(*court.answer(court.token(kTotp, coded), Admitted::code_used), Reject::code_used));
}

TEST_CASE("what is never answered is refused in time, an answer after that is none, and the request may come again") {
    RemoteCourt court;
    const Request r = court.request(kTotp);
    CHECK(is_pending(court.knock(kTotp, r)));
    court.pass(kLongestAdmission - 1us);
    CHECK(court.overdue().empty());
    court.pass(1us);
    const auto ended = court.overdue();
    REQUIRE(ended.size() == 1);
    CHECK(is_refused(ended[0], Reject::unanswered));
    CHECK(court.overdue().empty());
    CHECK_FALSE(court.answer(court.token(kTotp, r), Admitted::granted).has_value());
    CHECK(court.firewall.untouched());
    CHECK(is_pending(court.knock(kTotp, r)));
    CHECK(is_accepted(*court.answer(court.token(kTotp, r), Admitted::granted)));
    CHECK(court.firewall.opened.size() == 1);
}

TEST_CASE("a worker that ended leaves what waits to the next one, which asks by the same token") {
    RemoteCourt court;
    const Request r = court.request(kTotp), lost = court.request(kPlain);
    CHECK(is_pending(court.knock(kTotp, r)));
    CHECK(is_pending(court.knock(kPlain, lost)));
    court.pass(1s);
    court.policy.credentials.erase(court.policy.credentials.begin() + kHmac); // and indices move
    court.restart();
    CHECK(court.judge->pending() == 2);
    CHECK(court.resumed().empty());
    REQUIRE(court.remote.asked.size() == 4);
    CHECK(court.remote.asked[2].token == UseToken{court.policy.credentials[kTotp].id, r.id});
    CHECK(court.remote.asked[2].step == court.remote.asked[0].step);
    CHECK(is_accepted(*court.answer({court.policy.credentials[kTotp].id, r.id}, Admitted::granted)));
    CHECK(is_accepted(*court.answer({court.policy.credentials[kPlain - 1].id, lost.id}, Admitted::granted)));
    REQUIRE(court.firewall.opened.size() == 2);
    CHECK(court.firewall.opened[1].credential == kPlain - 1);
    court.restart();
    CHECK(court.judge->pending() == 0);
}

TEST_CASE("what is answered at once after a restart is done at once") {
    RemoteCourt court;
    CHECK(is_pending(court.knock(kTotp)));
    court.admission = nullptr; // this host's own memory
    court.restart();
    const auto ended = court.resumed();
    REQUIRE(ended.size() == 1);
    CHECK(is_accepted(ended[0]));
    CHECK(court.firewall.opened.size() == 1);
    CHECK(is_refused(court.knock(kTotp), Reject::code_used));
}

TEST_CASE("a user who is gone when the answer comes gets nothing, and nobody does in a panic") {
    RemoteCourt court;
    const Request gone = court.request(kTotp), panic = court.request(kPlain);
    CHECK(is_pending(court.knock(kTotp, gone)));
    CHECK(is_pending(court.knock(kPlain, panic)));
    const UseToken token = court.token(kTotp, gone), other = court.token(kPlain, panic);
    court.policy.credentials.erase(court.policy.credentials.begin());
    court.restart();
    CHECK(is_refused(*court.answer(token, Admitted::granted), Reject::disabled));
    court.judge->set_panic(true);
    CHECK(is_refused(*court.answer(other, Admitted::granted), Reject::panic));
    CHECK(court.firewall.untouched());
}

TEST_CASE("where the policy refuses, nothing waits: the code is spent, and forgives nothing before it is granted") {
    RemoteCourt court;
    Request wrong = court.request(kTotp);
    Court::set_code(wrong, "000000");
    CHECK(is_refused(court.knock(kTotp, wrong), Reject::wrong_code));
    Request r = court.request(kTotp);
    r.service = service_id("web");
    CHECK(is_refused(court.knock(kTotp, r), Reject::service));
    CHECK(court.judge->pending() == 0);
    CHECK(court.remote.spent.size() == 1);
    CHECK(court.record(kTotp).failures == 1);
    CHECK(is_refused(court.knock(kTotp), Reject::code_used)); // by this host's own memory: nobody else is asked
    CHECK(court.remote.asked.size() == 1);
    court.pass(30s);
    Request right = court.request(kTotp);
    CHECK(is_pending(court.knock(kTotp, right)));
    CHECK(court.record(kTotp).failures == 1);
    CHECK(is_accepted(*court.answer(court.token(kTotp, right), Admitted::granted)));
    CHECK(court.record(kTotp).failures == 0);
}

TEST_CASE("a credential that lets many wait is refused alone") {
    RemoteCourt court;
    for (std::size_t i = 0; i < kMostPendingOfCredential; ++i) {
        Request r = court.request(kHmac);
        r.id = {static_cast<std::uint8_t>(i), static_cast<std::uint8_t>(i >> 8), 0xad};
        CHECK(is_pending(court.knock(kHmac, r)));
    }
    Request more = court.request(kHmac);
    CHECK(is_refused(court.knock(kHmac, more), Reject::memory_full));
    CHECK(is_pending(court.knock(kPlain)));
    CHECK_FALSE(court.answer(court.token(kHmac, more), Admitted::granted).has_value());
    CHECK(court.firewall.untouched());
    court.pass(kLongestAdmission);
    CHECK(court.overdue().size() == kMostPendingOfCredential + 1);
    CHECK(is_pending(court.knock(kHmac, more)));
}

TEST_CASE("a thousand in flight, answered after 0 to 3 s, in any order, taken or never: none opens twice or is lost") {
    constexpr std::uint32_t kRequests = 1000, kDevices = 10;
    enum class Fate { granted, taken, never };
    struct Knocked {
        Request request;
        std::uint32_t who;
        std::string source;
        Fate fate;
        std::chrono::milliseconds answer_at;
        std::size_t ended = 0;
    };
    RemoteCourt court;
    for (std::uint32_t i = 0; i < kDevices; ++i) {
        Credential c = court.policy.credentials[kPlain];
        c.id = {static_cast<std::uint8_t>(100 + i), 0xcc};
        court.policy.credentials.push_back(c);
    }
    court.restart();
    std::mt19937 random(11);
    const auto number = [&](std::uint32_t below) { return static_cast<std::uint32_t>(random() % below); };

    std::map<UseToken, Knocked> all;
    std::vector<UseToken> order;
    for (std::uint32_t i = 0; i < kRequests; ++i) {
        Knocked k;
        k.who = 5 + i % kDevices;
        k.request = court.request(k.who);
        k.request.id = {static_cast<std::uint8_t>(i), static_cast<std::uint8_t>(i >> 8), 0xf1};
        k.source = "10.1." + std::to_string(i / 250) + "." + std::to_string(1 + i % 250);
        k.fate = i % 10 < 7 ? Fate::granted : i % 10 < 9 ? Fate::taken : Fate::never;
        k.answer_at = std::chrono::milliseconds(number(3001));
        const UseToken token = court.token(k.who, k.request);
        CHECK(is_pending(court.knock(k.who, k.request, k.source.c_str()))); // at once: nobody waits for anybody
        order.push_back(token);
        all.emplace(token, k);
    }
    CHECK(court.judge->pending() == kRequests);
    CHECK(court.firewall.untouched());

    const auto ends = [&](const UseToken& token, const Outcome& outcome) {
        Knocked& k = all.at(token);
        ++k.ended;
        CHECK(outcome.source == address(k.source.c_str()));
        CHECK(k.fate == (outcome.accepted() != nullptr                     ? Fate::granted
                         : outcome.refused()->reason == Reject::taken      ? Fate::taken
                         : outcome.refused()->reason == Reject::unanswered ? Fate::never
                                                                           : Fate{-1}));
    };
    const auto reply = [&](const UseToken& token) {
        return court.answer(token, all.at(token).fate == Fate::granted ? Admitted::granted : Admitted::taken);
    };
    for (std::chrono::milliseconds time{0}; time <= 6s; time += 100ms) {
        if (time == 1500ms) { // the worker is killed; what it had asked for is asked for again
            court.restart();
            const std::size_t before = court.remote.asked.size();
            CHECK(court.resumed().empty());
            CHECK(court.remote.asked.size() == before + court.judge->pending());
        }
        std::shuffle(order.begin(), order.end(), random);
        for (const UseToken& token : order) {
            Knocked& k = all.at(token);
            if (k.fate == Fate::never || k.answer_at > time || k.answer_at + 100ms <= time)
                continue;
            const auto outcome = reply(token);
            REQUIRE(outcome.has_value());
            ends(token, *outcome);
            if (number(3) == 0)
                CHECK_FALSE(reply(token).has_value()); // an answer that comes twice
        }
        if (time == 1000ms || time == 3000ms) // the client's retries
            for (const UseToken& token : order) {
                const Knocked& k = all.at(token);
                const Outcome again = court.knock(k.who, k.request, k.source.c_str());
                if (k.ended == 0)
                    CHECK(is_pending(again, true));
                else if (k.fate == Fate::granted)
                    CHECK((again.accepted() != nullptr && again.accepted()->retry));
                else if (is_pending(again))
                    CHECK(is_refused(*reply(token), Reject::taken));
            }
        for (const Outcome& outcome : court.overdue())
            for (const auto& [token, k] : all)
                if (outcome.source == address(k.source.c_str()))
                    ends(token, outcome);
        court.pass(100ms);
    }
    CHECK(court.judge->pending() == 0);
    std::set<Address> opened;
    for (const GrantRequest& request : court.firewall.opened)
        CHECK(opened.insert(request.address).second);
    for (const auto& [token, k] : all) {
        CHECK(k.ended == 1);
        CHECK(opened.contains(address(k.source.c_str())) == (k.fate == Fate::granted));
    }
    CHECK(court.state.header().accepted[1] == kRequests * 7 / 10);
    CHECK(court.count(Reject::unanswered) == kRequests / 10);
}
