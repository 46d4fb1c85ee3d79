// SPDX-License-Identifier: MIT
//
// From a record in the ring to the request, its answer and the report of it; and what changes that: bans, a panic,
// locks, the clock.
#include "tests/unit/worker/test_worker.h"

#include "daemon/authz/tags.h"
#include "protocol/keys.h"
#include "protocol/otp.h"

using namespace xk;
using namespace xk::test;
using namespace std::chrono_literals;

namespace {

const Address kSource = Address::v4(192, 0, 2, 7);

// Nothing is refused because this state just began.
void without_horizon(authz::State& state) {
    state.header().horizon = state.header().horizon_boot = state.header().refused_until = 0;
}

struct Judging : TestWorker {
    explicit Judging(
        std::uint32_t count = 2, const std::function<void(Setup&)>& set_up = [](Setup&) {})
        : TestWorker(count, without_horizon, set_up) {
        for (authz::Credential& credential : credentials)
            credential.lockout.most = 2;
    }

    // A knock of the credential at this place; for one with a factor, by default the right proof.
    Request request(std::uint32_t place) {
        Request r;
        r.factor = credentials[place].factor;
        r.service = service_id("ssh");
        r.clock = Now::read().wall;
        r.id = {++requests, 0x1d};
        return r;
    }
    void push(std::uint32_t place, const Request& r, bool right = true) {
        Key key;
        key.fill(9);
        CredentialKeys keys;
        derive_keys(keys, key, {}, credentials[place].id);
        RequestBytes bytes = encode_request(r);
        const Slot slot = slot_of(r.clock);
        const wire::Nonce nonce = hedged_nonce(keys.nonce, r.clock, bytes);
        Bytes<32> factor;
        factor.fill(right ? 77 : 78);
        if (r.factor == FactorKind::hmac) {
            const auto proof = hmac_proof(factor, {}, gate_keys(keys.gate, slot).tag, nonce, bytes);
            std::copy(proof.begin(), proof.end(), bytes.begin() + wire::kSignedSize);
        }
        push_packet(seal_packet(keys, slot, nonce, bytes));
    }
    void push_packet(const wire::Packet& packet, std::uint16_t kind = XK_RECORD_PACKET) const {
        xk_packet_record record{};
        record.head.kind = kind;
        record.head.version = XK_PACKET_RECORD_VERSION;
        record.head.length = sizeof record;
        record.head.source_port = 40000;
        std::memcpy(record.head.source.bytes, kSource.bytes.data(), sizeof record.head.source.bytes);
        const Address here = Address::v4(192, 0, 2, 1);
        std::memcpy(record.head.destination.bytes, here.bytes.data(), sizeof record.head.destination.bytes);
        record.head.arrived = static_cast<std::uint64_t>(BootClock::now().time_since_epoch().count());
        std::memcpy(record.packet, packet.data(), packet.size());
        ring.push({reinterpret_cast<const std::uint8_t*>(&record), sizeof record});
    }
    void knock(std::uint32_t place, bool right = true) { push(place, request(place), right); }

    RequestGrant asked() { return next<RequestGrant>().value(); }
    void reply(const RequestGrant& to, authz::Answer answer = authz::Answer::done) const {
        ReplyGrant message;
        message.sequence = to.sequence;
        message.answer = answer;
        REQUIRE(send(worker.channel, message));
    }
    // The reason of a refusal; nothing for an accepted knock, whose request is answered here.
    std::optional<authz::Reject> outcome(std::uint32_t place, bool right = true) {
        knock(place, right);
        return outcome();
    }
    std::optional<authz::Reject> outcome() {
        for (;;) {
            pollfd there{worker.channel.fd(), POLLIN, 0};
            ::poll(&there, 1, 10'000);
            auto received = worker.channel.receive(true).value().value();
            if (const auto request = as<RequestGrant>(received))
                reply(*request);
            else if (const auto outcome = as<privsep::Outcome>(received))
                return outcome->kind == static_cast<std::uint32_t>(OutcomeKind::accepted)
                           ? std::nullopt
                           : std::optional(static_cast<authz::Reject>(outcome->reject));
        }
    }
    // The worker has handled all that was sent before.
    void settle() {
        Ping ping;
        ping.number = ++pings;
        REQUIRE(send(worker.channel, ping));
        const auto pong = next<Pong>();
        REQUIRE(pong.has_value());
        CHECK(pong->number == pings);
    }

    std::uint8_t requests = 0;
    std::uint32_t pings = 0;
};

} // namespace

TEST_CASE("a knock in the ring becomes a request, and its answer the outcome") {
    Judging w;
    w.judge();
    for (std::uint32_t sequence = 1; sequence <= 3; ++sequence) {
        w.knock(0);
        const RequestGrant ask = w.asked();
        CHECK(ask.sequence == sequence);
        CHECK(ask.generation == 5);
        CHECK(ask.verb == static_cast<std::uint32_t>(GrantVerb::open));
        CHECK(ask.credential == w.credentials[0].id);
        CHECK(ask.address == kSource.bytes);
        CHECK(ask.service == service_id("ssh"));
        // What comes before the answer waits for it, but for what depends on nothing.
        Ping ping;
        ping.number = ++w.pings;
        REQUIRE(send(w.worker.channel, ping));
        w.reply(ask, sequence == 2 ? authz::Answer::refused : authz::Answer::done);
        const auto outcome = w.next<privsep::Outcome>();
        REQUIRE(outcome.has_value());
        CHECK(outcome->source == kSource.bytes);
        CHECK(outcome->known == 1);
        CHECK(outcome->credential == w.credentials[0].id);
        CHECK(outcome->kind ==
              static_cast<std::uint32_t>(sequence == 2 ? OutcomeKind::refused : OutcomeKind::accepted));
        CHECK(w.next<Pong>()->number == ping.number);
    }
}

TEST_CASE("a knock can close what it opened, or everything of its credential") {
    Judging w;
    w.judge();
    for (const auto& [action, verb] :
         {std::pair{Action::close, GrantVerb::close}, std::pair{Action::close_all, GrantVerb::close_all},
          std::pair{Action::open, GrantVerb::open}}) {
        Request r = w.request(1);
        r.action = action;
        if (action == Action::close_all)
            r.service = service_id("all");
        w.push(1, r);
        const RequestGrant ask = w.asked();
        CHECK(ask.verb == static_cast<std::uint32_t>(verb));
        CHECK(ask.credential == w.credentials[1].id);
        w.reply(ask);
        CHECK(w.next<privsep::Outcome>()->kind == static_cast<std::uint32_t>(OutcomeKind::accepted));
    }
}

TEST_CASE("a grant that is committed later is remembered until then, by its own request") {
    Judging w;
    w.judge();
    const auto live = [&] {
        std::vector<std::uint64_t> all;
        for (std::uint32_t i = 0; i < 3; ++i)
            all.push_back(reinterpret_cast<const authz::StateImage*>(w.state_memory.data())->asked[i].live);
        return all;
    };
    std::vector<std::uint32_t> sequences;
    for (int i = 0; i < 3; ++i) {
        w.knock(0);
        const RequestGrant ask = w.asked();
        sequences.push_back(ask.sequence);
        w.reply(ask, authz::Answer::waiting);
        CHECK(w.next<privsep::Outcome>().has_value());
    }
    CHECK(live() == std::vector<std::uint64_t>{1, 1, 1});
    for (const std::size_t n : {1u, 0u, 2u}) {
        GrantCommitted done;
        done.sequence = sequences[n];
        REQUIRE(send(w.worker.channel, done));
        w.settle();
        CHECK(live()[n] == 0);
    }
}

TEST_CASE("a commitment of a request that was answered at once ends no other request") {
    Judging w;
    authz::State state(w.state_memory); // what an earlier worker left there
    authz::Asked asked{};
    asked.credential = w.credentials[0].id;
    asked.request.address = kSource;
    asked.arrived = BootClock::now().time_since_epoch().count();
    REQUIRE(state.keep(asked) == 0);
    w.judge();
    const RequestGrant repeated = w.asked();
    w.reply(repeated);
    w.settle();
    CHECK(state.asked(0).live == 0);
    w.knock(0);
    w.reply(w.asked(), authz::Answer::waiting);
    CHECK(w.next<privsep::Outcome>().has_value());
    CHECK(state.asked(0).live == 1); // in the same place
    GrantCommitted done;
    done.sequence = repeated.sequence;
    REQUIRE(send(w.worker.channel, done));
    w.settle();
    CHECK(state.asked(0).live == 1);
}

TEST_CASE("a wrong code is told as such, and the one that locks for good in a notice too") {
    Judging w;
    w.judge();
    CHECK(w.outcome(1) == std::nullopt);
    CHECK(w.outcome(1, false) == authz::Reject::wrong_code);
    w.knock(1, false);
    auto outcome = w.next<privsep::Outcome>();
    REQUIRE(outcome.has_value());
    CHECK(outcome->locked_for == -1);
    const auto notice = w.next<Notice>();
    REQUIRE(notice.has_value());
    CHECK(notice->kind == static_cast<std::uint32_t>(NoticeKind::locked_for_good));
    CHECK(notice->credential == w.credentials[1].id);
    CHECK(w.outcome(1) == authz::Reject::locked);
    CHECK(w.outcome(0) == std::nullopt); // nobody else
    Unlock unlock;
    unlock.credential = {0xee}; // a reload has removed it
    REQUIRE(send(w.worker.channel, unlock));
    CHECK(w.outcome(1) == authz::Reject::locked);
    unlock.credential = w.credentials[1].id;
    REQUIRE(send(w.worker.channel, unlock));
    w.settle();
    CHECK(w.outcome(1) == std::nullopt);
}

TEST_CASE("bans and a panic count from their message on, whether something is judged yet or not") {
    Judging w;
    privsep::Ban ban;
    ban.prefix = Prefix::parse("192.0.2.0/24").value();
    ban.for_ever = 1;
    privsep::Panic panic;
    panic.on = 1;
    REQUIRE(send(w.worker.channel, panic));
    w.judge();
    CHECK(w.outcome(0) == authz::Reject::panic);
    panic.on = 0;
    REQUIRE(send(w.worker.channel, panic));
    w.settle();
    CHECK(w.outcome(0) == std::nullopt);
    REQUIRE(send(w.worker.channel, ban));
    w.settle();
    CHECK(w.outcome(0) == authz::Reject::banned);
    Unban unban;
    unban.prefix = ban.prefix;
    REQUIRE(send(w.worker.channel, unban));
    w.settle();
    CHECK(w.outcome(0) == std::nullopt);
    ban.for_ever = 0;
    for (const auto left : {std::int64_t{60'000'000'000}, std::int64_t{-1'000'000'000}}) {
        ban.until = BootClock::now().time_since_epoch().count() + left;
        REQUIRE(send(w.worker.channel, ban));
        w.settle();
        CHECK(w.outcome(0) == (left > 0 ? std::optional(authz::Reject::banned) : std::nullopt));
        REQUIRE(send(w.worker.channel, unban));
    }
    panic.on = 1;
    REQUIRE(send(w.worker.channel, panic));
    w.settle();
    CHECK(w.outcome(0) == authz::Reject::panic);
}

TEST_CASE("a raised horizon refuses knocks that were made before") {
    Judging w;
    w.judge();
    const Request before = w.request(0);
    REQUIRE(send(w.worker.channel, RaiseHorizon{}));
    REQUIRE(w.next<HorizonRaised>().has_value());
    w.push(0, before);
    CHECK(w.outcome() == authz::Reject::horizon);
}

TEST_CASE("while the clock is wrong no tags are published, until the operator says that it is right") {
    Judging w(2, [](Setup& setup) {
        setup.earliest_wall = std::chrono::duration_cast<std::chrono::microseconds>(
                                  (Now::read().wall + std::chrono::hours(24)).time_since_epoch())
                                  .count();
    });
    CHECK(w.begin().next == 0);
    w.give(0, w.keys(2));
    REQUIRE(w.next<SecretsRead>().has_value());
    REQUIRE(send(w.worker.channel, Activate{}));
    auto notice = w.next<Notice>();
    REQUIRE(notice.has_value());
    CHECK(notice->kind == static_cast<std::uint32_t>(NoticeKind::clock_wrong));
    CHECK(w.read_tags() == TagScope::all);
    CHECK(w.tags.empty());
    REQUIRE(send(w.worker.channel, AcceptClock{}));
    notice = w.next<Notice>();
    REQUIRE(notice.has_value());
    CHECK(notice->kind == static_cast<std::uint32_t>(NoticeKind::clock_right));
    CHECK(w.read_tags() == TagScope::all);
    CHECK(w.tags.size() == 2);
    // Nothing changed now, and it is not told again.
    REQUIRE(send(w.worker.channel, AcceptClock{}));
    CHECK(w.read_tags() == TagScope::all);
    CHECK(w.tags.size() == 2);
}

TEST_CASE("each tag has its slot, its key and its time") {
    Judging w;
    w.judge();
    REQUIRE(send(w.worker.channel, AcceptClock{}));
    const auto message = w.next<Tags>();
    REQUIRE(message.has_value());
    CHECK(message->generation == 5);
    const Now now = Now::read();
    const authz::SlotRange range = authz::published_slots(now.wall, wire::kDefaultSkew);
    std::map<std::uint64_t, unsigned> slots;
    for (std::uint32_t i = 0; i < message->count; ++i) {
        const TagRecord& record = message->tags[i];
        ++slots[record.slot];
        Key key;
        key.fill(9);
        CredentialKeys keys;
        derive_keys(keys, key, {}, w.credentials[record.place].id);
        const GateKeys gate = gate_keys(keys.gate, record.slot);
        CHECK(record.tag == gate.tag);
        CHECK(record.mac_key == gate.mac_key);
        const authz::TagLife life = authz::tag_life(record.slot, wire::kDefaultSkew);
        CHECK(std::abs(record.not_before - now.boot_at(life.from).time_since_epoch().count()) < 1'000'000'000);
        CHECK(std::abs(record.expires - now.boot_at(life.until).time_since_epoch().count()) < 1'000'000'000);
    }
    // A slot may have begun between the message and our look at the clock.
    CHECK(slots.size() == range.last - range.first + 1);
    CHECK(range.first - slots.begin()->first <= 1);
    for (const auto& [slot, tags] : slots)
        CHECK(tags == 2);
}

TEST_CASE("records of another size or kind are told once, and judgement goes on") {
    const WorkerLog log;
    Judging w;
    w.judge();
    w.ring.push(Bytes<16>{});
    w.ring.push(Bytes<255>{XK_RECORD_PACKET});
    w.push_packet({}, 77);
    CHECK(w.outcome(0) == std::nullopt);
    w.settle();
    w.settle();
    CHECK(log.has("2 records of the ring have a wrong size: is the filter of another release?"));
    CHECK(log.has("1 records of the ring are of an unknown kind: is the filter of another release?"));
    CHECK(log.count("is the filter of another release?") == 2);
    w.ring.push(Bytes<16>{});
    CHECK(w.outcome(0) == std::nullopt);
    w.settle();
    CHECK(log.has("1 records of the ring have a wrong size: is the filter of another release?"));
    CHECK(log.count("is the filter of another release?") == 3);
}

TEST_CASE("while nothing changes, nothing is published and nothing is logged") {
    const WorkerLog log;
    Judging w;
    w.judge();
    std::size_t publications = 0;
    for (int i = 0; i < 20; ++i) {
        w.knock(0);
        w.reply(w.asked());
        Ping ping;
        ping.number = 1;
        REQUIRE(send(w.worker.channel, ping));
        for (bool over = false; !over;) {
            pollfd there{w.worker.channel.fd(), POLLIN, 0};
            REQUIRE(::poll(&there, 1, 10'000) == 1);
            const auto received = w.worker.channel.receive(false).value().value();
            publications += as<Tags>(received).has_value();
            over = as<Pong>(received).has_value();
        }
    }
    CHECK(publications <= 1); // a slot may have begun
    CHECK(log.text().empty());
}

TEST_CASE("outcomes that were left out are counted, and told with the next ping") {
    Judging w;
    w.judge();
    for (int i = 0; i < 8; ++i) // one source may have four at once
        w.push_packet({});
    for (int i = 0; i < 4; ++i)
        CHECK(w.outcome() == authz::Reject::tag);
    CHECK(w.outcome(0) == std::nullopt);
    Ping ping;
    ping.number = 1;
    REQUIRE(send(w.worker.channel, ping));
    const auto suppressed = w.next<Suppressed>();
    REQUIRE(suppressed.has_value());
    CHECK(suppressed->refused == 4);
    CHECK(suppressed->accepted == 0);
    CHECK(w.next<Pong>().has_value());
}
