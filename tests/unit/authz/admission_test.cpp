// SPDX-License-Identifier: MIT
//
// An admission that answers later, in another order, "taken" or never.
#include "fixtures.h"

#include <cstring>
#include <functional>
#include <map>
#include <random>
#include <set>

using namespace xk;
using namespace xk::test;

namespace {

// Somebody else decides. What was granted once is granted to the same token for ever.
class RemoteAdmission : public Admission {
  public:
    Admitted consume_use(const Use& use) override {
        const Admitted local = local_.consume_use(use);
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

struct RemoteSetup : Setup {
    RemoteSetup() {
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
        judge->resume_pending(now, firewall, [&](const Outcome& o) { all.push_back(o); });
        return all;
    }

    RemoteAdmission remote;
};

bool is_pending(const Outcome& outcome, bool joined = false) {
    return outcome.pending() != nullptr && outcome.pending()->joined == joined;
}

} // namespace

TEST_CASE("a knock whose use is granted later opens then, once") {
    RemoteSetup setup;
    const Request r = setup.request(kTotp);
    const Record record = setup.sealed(kTotp, r);
    const Outcome outcome = setup.judged(record);
    REQUIRE(is_pending(outcome));
    CHECK(outcome.pending()->token == setup.token(kTotp, r));
    CHECK(setup.firewall.untouched());
    CHECK(setup.state.header().accepted[1] == 0);
    CHECK(setup.record(kTotp).accepted == 0);
    CHECK(is_refused(setup.judged(record), Reject::replay)); // a copy
    setup.pass(2s);
    const auto ended = setup.answer(setup.token(kTotp, r), Admitted::granted);
    REQUIRE(ended.has_value());
    CHECK(is_accepted(*ended));
    CHECK(ended->credential == kTotp);
    REQUIRE(ended->facts);
    CHECK(ended->facts->action == Action::open);
    CHECK(ended->facts->address == address("192.0.2.7"));
    CHECK(ended->facts->service == service_id("ssh"));
    CHECK(ended->facts->totp_step == totp_step(r.clock));
    CHECK_FALSE(ended->facts->clock_ahead); // it is not remembered
    REQUIRE(setup.firewall.opened.size() == 1);
    CHECK(setup.firewall.opened[0].address == address("192.0.2.7"));
    CHECK(setup.firewall.opened[0].service == service_id("ssh"));
    CHECK(setup.record(kTotp).accepted == 1);
    CHECK(setup.state.header().high_slot == slot_of(r.clock));
    CHECK_FALSE(setup.answer(setup.token(kTotp, r), Admitted::granted).has_value());
    CHECK(setup.knock(kTotp, r).accepted()->retry);
    CHECK(setup.firewall.opened.size() == 1);
}

TEST_CASE("a retry joins what waits; the same request for another address does not") {
    RemoteSetup setup;
    const Request r = setup.request(kTotp);
    CHECK(is_pending(setup.knock(kTotp, r)));
    setup.pass(1s);
    CHECK(is_pending(setup.knock(kTotp, r), true));
    CHECK(is_refused(setup.knock(kTotp, r, "192.0.2.8"), Reject::request_reused));
    CHECK(setup.remote.asked.size() == 1);
    CHECK(setup.judge->pending() == 1);
    CHECK(setup.state.header().retries == 1);
    CHECK(is_accepted(*setup.answer(setup.token(kTotp, r), Admitted::granted)));
    CHECK(setup.knock(kTotp, r).accepted()->retry);
    CHECK(setup.firewall.opened.size() == 1);
}

TEST_CASE("what waits for one family does not answer for the other: that one is served when it comes again") {
    RemoteSetup setup;
    const Request r = setup.request(kTotp);
    CHECK(is_pending(setup.knock(kTotp, r)));
    CHECK(is_pending(setup.knock(kTotp, r, "2001:db8::7"), true));
    CHECK(is_accepted(*setup.answer(setup.token(kTotp, r), Admitted::granted)));
    CHECK(setup.firewall.opened.size() == 1);
    CHECK(is_pending(setup.knock(kTotp, r, "2001:db8::7")));
    CHECK(is_accepted(*setup.answer(setup.token(kTotp, r), Admitted::granted)));
    REQUIRE(setup.firewall.opened.size() == 2);
    CHECK(setup.firewall.opened[1].address == address("2001:db8::7"));
}

TEST_CASE("taken is a refusal, and so is every further packet of the request") {
    RemoteSetup setup;
    const Request r = setup.request(kHmac);
    CHECK(is_pending(setup.knock(kHmac, r)));
    CHECK(is_refused(*setup.answer(setup.token(kHmac, r), Admitted::taken), Reject::taken));
    CHECK(setup.count(Reject::taken) == 1);
    CHECK(is_pending(setup.knock(kHmac, r))); // asked again, with the same token
    CHECK(setup.remote.asked[0].token == setup.remote.asked[1].token);
    CHECK(is_refused(*setup.answer(setup.token(kHmac, r), Admitted::taken), Reject::taken));
    CHECK(setup.firewall.untouched());
    Request coded = setup.request(kTotp);
    CHECK(is_pending(setup.knock(kTotp, coded)));
    CHECK(is_refused(*setup.answer(setup.token(kTotp, coded), Admitted::code_used), Reject::code_used));
}

TEST_CASE("what is never answered is refused in time, an answer after that is none, and the request may come again") {
    RemoteSetup setup;
    const Request r = setup.request(kTotp);
    CHECK(is_pending(setup.knock(kTotp, r)));
    setup.pass(kLongestAdmission - 1us);
    CHECK(setup.overdue().empty());
    setup.pass(1us);
    const auto ended = setup.overdue();
    REQUIRE(ended.size() == 1);
    CHECK(is_refused(ended[0], Reject::unanswered));
    CHECK(setup.overdue().empty());
    CHECK_FALSE(setup.answer(setup.token(kTotp, r), Admitted::granted).has_value());
    CHECK(setup.firewall.untouched());
    CHECK(is_pending(setup.knock(kTotp, r)));
    CHECK(is_accepted(*setup.answer(setup.token(kTotp, r), Admitted::granted)));
    CHECK(setup.firewall.opened.size() == 1);
}

TEST_CASE("a worker that ended leaves what waits to the next one, which asks by the same token") {
    RemoteSetup setup;
    const Request r = setup.request(kTotp), lost = setup.request(kPlain);
    CHECK(is_pending(setup.knock(kTotp, r)));
    CHECK(is_pending(setup.knock(kPlain, lost)));
    setup.pass(1s);
    setup.policy.credentials.erase(setup.policy.credentials.begin() + kHmac); // and indices move
    setup.restart();
    CHECK(setup.judge->pending() == 2);
    CHECK(setup.resumed().empty());
    REQUIRE(setup.remote.asked.size() == 4);
    CHECK(setup.remote.asked[2].token == UseToken{setup.policy.credentials[kTotp].id, r.id});
    CHECK(setup.remote.asked[2].step == setup.remote.asked[0].step);
    CHECK(is_accepted(*setup.answer({setup.policy.credentials[kTotp].id, r.id}, Admitted::granted)));
    CHECK(is_accepted(*setup.answer({setup.policy.credentials[kPlain - 1].id, lost.id}, Admitted::granted)));
    REQUIRE(setup.firewall.opened.size() == 2);
    CHECK(setup.firewall.opened[1].credential == kPlain - 1);
    setup.restart();
    CHECK(setup.judge->pending() == 0);
}

TEST_CASE("what is answered at once after a restart is done at once") {
    RemoteSetup setup;
    CHECK(is_pending(setup.knock(kTotp)));
    setup.admission = nullptr; // this host's own memory
    setup.restart();
    const auto ended = setup.resumed();
    REQUIRE(ended.size() == 1);
    CHECK(is_accepted(ended[0]));
    CHECK(setup.firewall.opened.size() == 1);
    CHECK(is_refused(setup.knock(kTotp), Reject::code_used));
}

TEST_CASE("a user who is gone when the answer comes gets nothing, and nobody does in a panic") {
    RemoteSetup setup;
    const Request gone = setup.request(kTotp), panic = setup.request(kPlain);
    CHECK(is_pending(setup.knock(kTotp, gone)));
    CHECK(is_pending(setup.knock(kPlain, panic)));
    const UseToken token = setup.token(kTotp, gone), other = setup.token(kPlain, panic);
    setup.policy.credentials.erase(setup.policy.credentials.begin());
    setup.restart();
    CHECK(is_refused(*setup.answer(token, Admitted::granted), Reject::disabled));
    setup.judge->set_panic(true);
    CHECK(is_refused(*setup.answer(other, Admitted::granted), Reject::panic));
    CHECK(setup.firewall.untouched());
}

TEST_CASE("where the policy refuses, nothing waits: the code is spent, and forgives nothing before it is granted") {
    RemoteSetup setup;
    Request wrong = setup.request(kTotp);
    Setup::set_code(wrong, "000000");
    CHECK(is_refused(setup.knock(kTotp, wrong), Reject::wrong_code));
    Request r = setup.request(kTotp);
    r.service = service_id("web");
    CHECK(is_refused(setup.knock(kTotp, r), Reject::service));
    CHECK(setup.judge->pending() == 0);
    CHECK(setup.remote.spent.size() == 1);
    CHECK(setup.record(kTotp).failures == 1);
    CHECK(is_refused(setup.knock(kTotp), Reject::code_used)); // by this host's own memory: nobody else is asked
    CHECK(setup.remote.asked.size() == 1);
    setup.pass(30s);
    Request right = setup.request(kTotp);
    CHECK(is_pending(setup.knock(kTotp, right)));
    CHECK(setup.record(kTotp).failures == 1);
    CHECK(is_accepted(*setup.answer(setup.token(kTotp, right), Admitted::granted)));
    CHECK(setup.record(kTotp).failures == 0);
}

TEST_CASE("a credential that lets many wait is refused alone") {
    RemoteSetup setup;
    for (std::size_t i = 0; i < kMostPendingOfCredential; ++i) {
        Request r = setup.request(kHmac);
        r.id = {static_cast<std::uint8_t>(i), static_cast<std::uint8_t>(i >> 8), 0xad};
        CHECK(is_pending(setup.knock(kHmac, r)));
    }
    Request more = setup.request(kHmac);
    CHECK(is_refused(setup.knock(kHmac, more), Reject::memory_full));
    CHECK(is_pending(setup.knock(kPlain)));
    CHECK_FALSE(setup.answer(setup.token(kHmac, more), Admitted::granted).has_value());
    CHECK(setup.firewall.untouched());
    setup.pass(kLongestAdmission);
    CHECK(setup.overdue().size() == kMostPendingOfCredential + 1);
    CHECK(is_pending(setup.knock(kHmac, more)));
}

namespace {

struct Killed {};

// The worker ends while the Admission consumes the use: before this host's memory has it, or afterwards.
struct DyingAdmission : Admission {
    bool before = false;
    LocalAdmission local;
    Admitted consume_use(const Use& use) override {
        if (!before)
            CHECK(local.consume_use(use) == Admitted::granted);
        throw Killed{};
    }
};

// Grants at once, without this host's memory: as if somebody else had granted it before.
struct Granting : Admission {
    Admitted consume_use(const Use&) override { return Admitted::granted; }
};

ReplayEntry& entry_of(Setup& setup, std::uint32_t who, const Request& r, const Record& record) {
    ReplayEntry* const entry =
        setup.state.replay()
            .find({setup.policy.credentials[who].id, r.id, packet_mac(packet_of(record))}, record.source)
            .packet;
    REQUIRE(entry != nullptr);
    return *entry;
}

} // namespace

TEST_CASE("kill -9 while a use is consumed: the record is judged again, and opens once") {
    for (const bool before : {true, false}) {
        RemoteSetup setup;
        DyingAdmission dying;
        dying.before = before;
        setup.admission = &dying;
        setup.restart();
        const Request r = setup.request(kTotp);
        const Record record = setup.sealed(kTotp, r);
        CHECK_THROWS_AS(setup.judged(record), Killed);
        setup.admission = &setup.remote;
        setup.restart();
        CHECK(setup.resumed().empty());
        CHECK(is_pending(setup.judged(record)));
        CHECK(is_accepted(*setup.answer(setup.token(kTotp, r), Admitted::granted)));
        CHECK(is_refused(setup.judged(record), Reject::replay));
        CHECK(setup.firewall.opened.size() == 1);
    }
}

TEST_CASE(
    "kill -9 between the table of pending uses and the end of the judgement: both know the knock, and it opens once") {
    for (const bool at_once : {true, false}) {
        RemoteSetup setup;
        Granting granting;
        const Request r = setup.request(kTotp);
        const Record record = setup.sealed(kTotp, r); // stays in the ring
        CHECK(is_pending(setup.judged(record)));
        entry_of(setup, kTotp, r, record).progress = Progress::asking;
        if (at_once)
            setup.admission = &granting;
        setup.restart();
        CHECK(setup.resumed().size() == (at_once ? 1 : 0));
        if (!at_once) {
            CHECK(is_pending(setup.judged(record), true));
            CHECK(is_accepted(*setup.answer(setup.token(kTotp, r), Admitted::granted)));
        }
        CHECK(is_refused(setup.judged(record), Reject::replay));
        CHECK(setup.knock(kTotp, r).accepted()->retry);
        CHECK(setup.firewall.opened.size() == 1);
    }
}

TEST_CASE("kill -9 after a grant was put off and before the end of the judgement: the record does not open again") {
    Setup setup;
    setup.firewall.answer = Answer::waiting;
    const Request r = setup.request(kHmac);
    const Record record = setup.sealed(kHmac, r);
    const Outcome outcome = setup.judged(record);
    REQUIRE(is_accepted(outcome));
    entry_of(setup, kHmac, r, record).progress = Progress::asking;
    setup.restart();
    setup.firewall.answer = Answer::done;
    CHECK(setup.judge->request_again(*outcome.accepted()->waiting, setup.now, setup.firewall) == Answer::done);
    CHECK(is_refused(setup.judged(record), Reject::replay));
    CHECK(setup.firewall.opened.size() == 2); // the next worker asked once more, and that was all
}

TEST_CASE("kill -9 while a late grant is made: the next worker asks by the same token and makes it") {
    struct DyingFirewall : RecordingFirewall {
        Answer open_grant(const GrantRequest&) override { throw Killed{}; }
    } dying;
    RemoteSetup setup;
    const Request r = setup.request(kTotp);
    CHECK(is_pending(setup.knock(kTotp, r)));
    const UseToken token = setup.token(kTotp, r);
    CHECK_THROWS_AS(setup.judge->on_admitted(token, Admitted::granted, setup.now, dying), Killed);
    setup.restart();
    CHECK(setup.judge->pending() == 1);
    CHECK(setup.resumed().empty());
    CHECK(setup.remote.asked.back().token == token);
    CHECK(is_accepted(*setup.answer(token, Admitted::granted)));
    CHECK(setup.firewall.opened.size() == 1);
    CHECK(setup.judge->pending() == 0);
}

TEST_CASE("a late grant that waits for others is done once it is done") {
    RemoteSetup setup;
    const Request r = setup.request(kHmac);
    CHECK(is_pending(setup.knock(kHmac, r)));
    setup.firewall.answer = Answer::waiting;
    const auto ended = setup.answer(setup.token(kHmac, r), Admitted::granted);
    REQUIRE(is_accepted(*ended));
    REQUIRE(ended->accepted()->waiting);
    CHECK(is_pending(setup.knock(kHmac, r))); // it may come again
    setup.state.end_asked(*ended->accepted()->waiting, true);
    CHECK(setup.knock(kHmac, r).accepted()->retry);
    CHECK(setup.firewall.opened.size() == 1);
}

TEST_CASE("an earlier code that waits is not lost when a later one is used and the worker ends") {
    RemoteSetup setup;
    const Request early = setup.request(kTotp);
    CHECK(is_pending(setup.knock(kTotp, early)));
    Request late = setup.request(kTotp);
    Setup::set_code(late, totp_code(kTotpSecret, totp_step(setup.now.wall) + 1, 6));
    CHECK(is_pending(setup.knock(kTotp, late)));
    setup.restart();
    CHECK(setup.resumed().empty());
    CHECK(setup.judge->pending() == 2);
    CHECK(is_accepted(*setup.answer(setup.token(kTotp, late), Admitted::granted)));
    CHECK(is_accepted(*setup.answer(setup.token(kTotp, early), Admitted::granted)));
    CHECK(setup.firewall.opened.size() == 2);
}

TEST_CASE("a lock that began while a use waited stays, and the use opens all the same") {
    RemoteSetup setup;
    const Request right = setup.request(kHmac);
    CHECK(is_pending(setup.knock(kHmac, right)));
    for (std::uint32_t i = 0; i <= Lockout{}.free; ++i) {
        Request wrong = setup.request(kHmac);
        wrong.proof = {static_cast<std::uint8_t>(i + 1)};
        CHECK(is_refused(setup.knock(kHmac, wrong), Reject::wrong_code));
    }
    CHECK(is_refused(setup.knock(kHmac), Reject::locked));
    CHECK(is_accepted(*setup.answer(setup.token(kHmac, right), Admitted::granted)));
    CHECK(setup.record(kHmac).failures == Lockout{}.free + 1);
    CHECK(is_refused(setup.knock(kHmac), Reject::locked));
    CHECK(setup.firewall.opened.size() == 1);
}

TEST_CASE(
    "a credential that is disabled, expired or banned when the answer comes gets nothing, and nothing is forgiven") {
    struct Row {
        const char* what;
        std::function<void(Setup&)> bar;
        Reject reason;
    };
    const Row rows[] = {
        {"disabled", [](Setup& c) { c.policy.credentials[kHmac].enabled = false; }, Reject::disabled},
        {"expired", [](Setup& c) { c.policy.credentials[kHmac].valid_until = c.now.wall - 1s; }, Reject::expired},
        {"other networks",
         [](Setup& c) {
             c.policy.credentials[kHmac].networks = {1, {Prefix::parse("198.51.100.0/24").value()}};
         },
         Reject::network},
        {"banned", [](Setup& c) { c.bans.add(Prefix::parse("192.0.2.7").value(), {}); }, Reject::banned},
    };
    for (const Row& row : rows) {
        CAPTURE(row.what);
        RemoteSetup setup;
        Request wrong = setup.request(kHmac);
        wrong.proof = {1};
        CHECK(is_refused(setup.knock(kHmac, wrong), Reject::wrong_code));
        const Request r = setup.request(kHmac);
        CHECK(is_pending(setup.knock(kHmac, r)));
        setup.pass(1s);
        row.bar(setup);
        setup.restart();
        CHECK(is_refused(*setup.answer(setup.token(kHmac, r), Admitted::granted), row.reason));
        CHECK(setup.firewall.untouched());
        CHECK(setup.record(kHmac).accepted == 0);
        CHECK(setup.record(kHmac).failures == 1);
    }
}

TEST_CASE("dates of a use that is granted late are those of its arrival") {
    RemoteSetup setup;
    setup.policy.credentials[kHmac].valid_until = setup.now.wall + 1s;
    setup.restart();
    const Request r = setup.request(kHmac);
    CHECK(is_pending(setup.knock(kHmac, r)));
    setup.pass(2s);
    CHECK(is_accepted(*setup.answer(setup.token(kHmac, r), Admitted::granted)));
    CHECK(is_refused(setup.knock(kHmac), Reject::expired));
}

TEST_CASE("a full table refuses whoever comes next, and a later packet of the same request finds room") {
    RemoteSetup setup;
    for (std::size_t i = 0; i < kMostPending / kMostPendingOfCredential; ++i) {
        Credential c = setup.policy.credentials[kPlain];
        c.id = {static_cast<std::uint8_t>(100 + i), 0xcc};
        setup.policy.credentials.push_back(c);
    }
    setup.restart();
    std::vector<UseToken> tokens;
    for (std::size_t i = 0; i < kMostPending; ++i) {
        const auto who = static_cast<std::uint32_t>(5 + i / kMostPendingOfCredential);
        Request r = setup.request(who);
        r.id = {static_cast<std::uint8_t>(i), static_cast<std::uint8_t>(i >> 8), 0xfa};
        tokens.push_back(setup.token(who, r));
        REQUIRE(is_pending(setup.knock(who, r)));
    }
    const Request next = setup.request(kTotp);
    CHECK(is_refused(setup.knock(kTotp, next), Reject::memory_full));
    CHECK(is_accepted(*setup.answer(tokens.front(), Admitted::granted)));
    CHECK(is_pending(setup.knock(kTotp, next)));
    CHECK(is_accepted(*setup.answer(setup.token(kTotp, next), Admitted::granted)));
    CHECK(setup.firewall.opened.size() == 2);
}

TEST_CASE("two entries of one token are one use, and the second does not come back") {
    std::vector<PendingUse> entries(4);
    for (const std::size_t i : {1u, 3u}) {
        entries[i].token = {{1}, {2}};
        entries[i].action = Action::open;
        entries[i].live = 1;
    }
    PendingUses uses(entries);
    CHECK(uses.size() == 1);
    uses.end_use({{1}, {2}});
    CHECK(PendingUses(entries).size() == 0);
}

TEST_CASE("nobody is asked about a waiting use of a credential that is gone") {
    RemoteSetup setup;
    CHECK(is_pending(setup.knock(kTotp8)));
    REQUIRE(setup.remote.asked.size() == 1);
    setup.policy.credentials.resize(kTotp8);
    setup.restart();
    const auto ended = setup.resumed();
    REQUIRE(ended.size() == 1);
    CHECK(is_refused(ended[0], Reject::disabled));
    CHECK(setup.remote.asked.size() == 1);
    CHECK(setup.judge->pending() == 0);
}

TEST_CASE("a waiting use that no worker can have written is none for the next one") {
    RemoteSetup setup;
    CHECK(is_pending(setup.knock(kTotp)));
    PendingUse& entry = *std::ranges::find(setup.state.pending(), 1u, &PendingUse::live);
    const PendingUse sound = entry;
    CHECK(is_sound(sound));
    const std::pair<const char*, std::function<void(PendingUse&)>> damages[] = {
        {"a bool of two", [](PendingUse& u) { std::memset(&u.request.single_use, 2, 1); }},
        {"an unknown protocol", [](PendingUse& u) { u.request.endpoint.protocol = IpProtocol{1}; }},
        {"no action", [](PendingUse& u) { u.action = Action{0}; }},
        {"an unknown action", [](PendingUse& u) { u.action = Action{5}; }},
        {"a slot that is no time", [](PendingUse& u) { u.slot = kLastSlot + 1; }},
        {"a step that is no time", [](PendingUse& u) { u.code = kLastSlot + 1; }},
        {"an arrival before the boot", [](PendingUse& u) { u.arrived = -1; }},
        {"an arrival after it began to wait", [](PendingUse& u) { u.begun = u.arrived - 1; }},
        {"a mark that is none", [](PendingUse& u) { u.live = 2; }},
    };
    for (const auto& [name, damage] : damages) {
        const std::string what = name;
        CAPTURE(what);
        std::memcpy(static_cast<void*>(&entry), &sound, sizeof entry);
        damage(entry);
        setup.restart();
        CHECK(setup.judge->pending() == 0);
        CHECK(setup.resumed().empty());
        CHECK(entry.live == 0);
    }
    CHECK(setup.remote.asked.size() == 1);
    CHECK(setup.firewall.untouched());
    // The last values that mean something.
    std::memcpy(static_cast<void*>(&entry), &sound, sizeof entry);
    entry.request.single_use = true;
    entry.request.endpoint.protocol = IpProtocol::sctp;
    entry.action = Action::probe;
    entry.slot = entry.code = kLastSlot;
    entry.arrived = entry.begun = 0;
    CHECK(is_sound(entry));
}

TEST_CASE("a use that begins to wait only in the future would never be over, and is refused") {
    RemoteSetup setup;
    CHECK(is_pending(setup.knock(kTotp)));
    PendingUse& entry = *std::ranges::find(setup.state.pending(), 1u, &PendingUse::live);
    setup.restart();
    CHECK(setup.overdue().empty()); // it began at this very moment
    ++entry.begun;
    setup.restart();
    const auto ended = setup.resumed();
    REQUIRE(ended.size() == 1);
    CHECK(is_refused(ended[0], Reject::unanswered));
    CHECK(setup.judge->pending() == 0);
}

TEST_CASE("a waiting use of a slot that has not begun is refused, or no knock would be accepted after it") {
    RemoteSetup setup;
    const Slot last = slot_of(setup.now.wall + setup.policy.settings.skew);
    for (const Slot slot : {last, last + 1}) {
        const Request r = setup.request(kPlain);
        CHECK(is_pending(setup.knock(kPlain, r)));
        std::ranges::find(setup.state.pending(), 1u, &PendingUse::live)->slot = slot;
        const auto ended = setup.answer(setup.token(kPlain, r), Admitted::granted);
        REQUIRE(ended.has_value());
        CHECK((slot == last ? is_accepted(*ended) : is_refused(*ended, Reject::future)));
        CHECK(setup.state.header().high_slot == last);
    }
    CHECK(setup.firewall.opened.size() == 1);
}

TEST_CASE("a thousand in flight, answered after 0 to 3 s, in any order, taken or never: none opens twice or is lost") {
    constexpr std::uint32_t kRequests = 1000, kDevices = 10;
    enum class Ending { granted, taken, never };
    struct Knocked {
        Request request;
        std::uint32_t who;
        std::string source;
        Ending ending;
        std::chrono::milliseconds answer_at;
        std::size_t ended = 0;
    };
    RemoteSetup setup;
    const auto first = static_cast<std::uint32_t>(setup.policy.credentials.size());
    for (std::uint32_t i = 0; i < kDevices; ++i) {
        Credential c = setup.policy.credentials[kPlain];
        c.id = {static_cast<std::uint8_t>(100 + i), 0xcc};
        setup.policy.credentials.push_back(c);
    }
    setup.restart();
    std::mt19937 random(11);
    const auto number = [&](std::uint32_t below) { return static_cast<std::uint32_t>(random() % below); };

    std::map<UseToken, Knocked> all;
    std::vector<UseToken> order;
    for (std::uint32_t i = 0; i < kRequests; ++i) {
        Knocked k;
        k.who = first + i % kDevices;
        k.request = setup.request(k.who);
        k.request.id = {static_cast<std::uint8_t>(i), static_cast<std::uint8_t>(i >> 8), 0xf1};
        k.source = "10.1." + std::to_string(i / 250) + "." + std::to_string(1 + i % 250);
        k.ending = i % 10 < 7 ? Ending::granted : i % 10 < 9 ? Ending::taken : Ending::never;
        k.answer_at = std::chrono::milliseconds(number(3001));
        const UseToken token = setup.token(k.who, k.request);
        CHECK(is_pending(setup.knock(k.who, k.request, k.source.c_str()))); // at once: nobody waits for anybody
        order.push_back(token);
        all.emplace(token, k);
    }
    CHECK(setup.judge->pending() == kRequests);
    CHECK(setup.firewall.untouched());

    const auto ends = [&](const UseToken& token, const Outcome& outcome) {
        Knocked& k = all.at(token);
        ++k.ended;
        CHECK(outcome.source == address(k.source.c_str()));
        CHECK(k.ending == (outcome.accepted() != nullptr                     ? Ending::granted
                           : outcome.refused()->reason == Reject::taken      ? Ending::taken
                           : outcome.refused()->reason == Reject::unanswered ? Ending::never
                                                                             : Ending{-1}));
    };
    const auto reply = [&](const UseToken& token) {
        return setup.answer(token, all.at(token).ending == Ending::granted ? Admitted::granted : Admitted::taken);
    };
    for (std::chrono::milliseconds time{0}; time <= 6s; time += 100ms) {
        if (time == 1500ms) { // the worker is killed; what it had asked for is asked for again
            setup.restart();
            const std::size_t before = setup.remote.asked.size();
            CHECK(setup.resumed().empty());
            CHECK(setup.remote.asked.size() == before + setup.judge->pending());
        }
        std::shuffle(order.begin(), order.end(), random);
        for (const UseToken& token : order) {
            Knocked& k = all.at(token);
            if (k.ending == Ending::never || k.answer_at > time || k.answer_at + 100ms <= time)
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
                const Outcome again = setup.knock(k.who, k.request, k.source.c_str());
                if (k.ended == 0)
                    CHECK(is_pending(again, true));
                else if (k.ending == Ending::granted)
                    CHECK((again.accepted() != nullptr && again.accepted()->retry));
                else if (is_pending(again))
                    CHECK(is_refused(*reply(token), Reject::taken));
            }
        for (const Outcome& outcome : setup.overdue())
            for (const auto& [token, k] : all)
                if (outcome.source == address(k.source.c_str()))
                    ends(token, outcome);
        setup.pass(100ms);
    }
    CHECK(setup.judge->pending() == 0);
    std::set<Address> opened;
    for (const GrantRequest& request : setup.firewall.opened)
        CHECK(opened.insert(request.address).second);
    for (const auto& [token, k] : all) {
        CHECK(k.ended == 1);
        CHECK(opened.contains(address(k.source.c_str())) == (k.ending == Ending::granted));
    }
    CHECK(setup.state.header().accepted[1] == kRequests * 7 / 10);
    CHECK(setup.count(Reject::unanswered) == kRequests / 10);
}
