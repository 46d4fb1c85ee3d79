// SPDX-License-Identifier: MIT
//
// Knocks by handshake: which hellos are answered, what a request proves, and the bounds of the sessions. The test has
// the client's end.
#include "daemon/authz/handshakes.h"
#include "daemon/authz/state_read.h"
#include "fixtures.h"

using namespace xk;
using namespace xk::test;

namespace {

struct Handshaking : Setup {
    Handshaking() {
        for (Credential& c : policy.credentials)
            c.modes.set(static_cast<std::size_t>(KnockMode::handshake));
        restart();
    }

    // One handshake of a client.
    struct Client {
        noise::Handshake state;
        handshake::Number number;
        CredentialKeys request;
    };

    handshake::Keys handshake_keys(std::uint32_t who) const {
        handshake::Keys keys;
        handshake::derive_keys(keys, keys_of(who).handshake);
        return keys;
    }
    Record record_of(const wire::Packet& packet, RecordKind kind, std::uint32_t who, handshake::Number number,
                     const char* source) {
        Record r;
        r.kind = kind;
        r.source = address(source);
        r.destination = address("192.0.2.1");
        r.source_port = 40000;
        r.arrived = now.boot;
        r.credential = who;
        r.slot = number;
        r.bytes.assign(packet);
        return r;
    }
    // The client's clock is a day behind: nothing may depend on it.
    Record hello(Client& client, std::uint32_t who, handshake::Number number, const char* source = "192.0.2.7") {
        client.number = number;
        Key ephemeral;
        randombytes_buf(ephemeral.data(), ephemeral.size());
        const auto packet =
            handshake::write_hello(client.state, handshake_keys(who), kServer, number, ephemeral, now.wall - 24h);
        return record_of(packet, RecordKind::hello, who, number, source);
    }
    std::optional<HelloAnswer> answer(const Record& record) {
        auto result = judge->judge_hello(record, now);
        const auto* answer = std::get_if<HelloAnswer>(&result);
        last = answer != nullptr ? Outcome{} : std::get<Outcome>(result);
        return answer != nullptr ? std::optional(*answer) : std::nullopt;
    }
    std::optional<handshake::Answer> read(Client& client, std::uint32_t who, const HelloAnswer& answer) {
        const auto told = handshake::read_answer(client.state, handshake_keys(who), client.number, answer.packet);
        if (told) {
            noise::TransportKeys transport;
            client.state.split(transport);
            handshake::derive_request_keys(client.request, transport);
        }
        return told;
    }
    Record asked(const Client& client, const Request& r, const char* source = "192.0.2.7") {
        RequestBytes bytes = encode_request(r);
        const wire::Nonce nonce = hedged_nonce(client.request.nonce, r.clock, bytes);
        if (r.factor == FactorKind::hmac && all_zero(r.proof)) {
            const wire::Tag tag = slot_tag(client.request.gate, 0);
            const Proof proof =
                hmac_proof(kHmacKey, handshake::signed_message(kServer, client.state.transcript(), tag, nonce, bytes));
            std::copy(proof.begin(), proof.end(), bytes.begin() + wire::kSignedSize);
        }
        return record_of(seal_packet(client.request, 0, nonce, bytes), RecordKind::handshake_request, 0, 0, source);
    }
    // Hello, answer, and the record of the request.
    Record whole(std::uint32_t who, handshake::Number number, const Request& r) {
        Client client{};
        const auto answered = answer(hello(client, who, number));
        REQUIRE(answered);
        REQUIRE(read(client, who, *answered));
        return asked(client, r);
    }
    handshake::Number used(std::uint32_t who) { return state.hellos(policy.credentials[who].id, policy)->last; }

    Outcome last;
};

// Noise, by hand: no Handshake writes a public key of low order.
RequestBytes low_order_message(const Key& psk, handshake::Number number) {
    noise::Hash hash{}, chain;
    std::ranges::copy(std::string_view("Noise_NNpsk0_25519_ChaChaPoly_BLAKE2b"), hash.begin());
    chain = hash;
    const auto mix = [&](ByteView with) {
        crypto_generichash_state state;
        crypto_generichash_init(&state, nullptr, 0, hash.size());
        crypto_generichash_update(&state, hash.data(), hash.size());
        crypto_generichash_update(&state, with.data(), with.size());
        crypto_generichash_final(&state, hash.data(), hash.size());
    };
    const auto output = [](const noise::Hash& from, ByteView before, std::uint8_t which) {
        std::vector<std::uint8_t> input(before.begin(), before.end());
        input.push_back(which);
        return noise::hmac(from, input);
    };
    Bytes<42> prologue{};
    std::ranges::copy(std::string_view("xknock/1 handshake"), prologue.begin());
    std::ranges::copy(kServer, prologue.begin() + 18);
    store_be<std::uint64_t>(std::span(prologue).last<8>(), number);
    mix(prologue);
    noise::Hash temporary = noise::hmac(chain, psk);
    chain = output(temporary, {}, 1);
    mix(output(temporary, chain, 2));
    constexpr noise::PublicKey kZero{};
    mix(kZero);
    temporary = noise::hmac(chain, kZero);
    chain = output(temporary, {}, 1);
    Key key;
    std::copy_n(output(temporary, chain, 2).begin(), key.size(), key.begin());
    RequestBytes message{};
    const Bytes<wire::kRequestSize - noise::kOverhead> payload{1};
    noise::encrypt(key, 0, hash, payload, std::span(message).subspan(noise::kPublicSize));
    return message;
}

} // namespace

TEST_CASE("a handshake opens, whatever the client's clock shows") {
    Handshaking s;
    for (const std::uint32_t who : {kTotp, kHmac, kPlain}) {
        Request r = s.request(who);
        r.clock = s.now.wall - 24h;
        CAPTURE(who);
        CHECK(is_accepted(s.judged(s.whole(who, 1, r))));
    }
    REQUIRE(s.firewall.opened.size() == 3);
    CHECK(s.firewall.opened[0].address == address("192.0.2.7"));
    CHECK(s.firewall.opened[0].service == service_id("ssh"));
}

TEST_CASE("the answer tells the client where it came from and what time it is") {
    Handshaking s;
    Handshaking::Client client{};
    const auto answered = s.answer(s.hello(client, kPlain, 7, "2001:db8::7"));
    REQUIRE(answered);
    CHECK(answered->place == kPlain);
    CHECK(answered->until == (s.now.boot + kSessionLife).time_since_epoch().count());
    const auto told = s.read(client, kPlain, *answered);
    REQUIRE(told);
    CHECK(told->seen == address("2001:db8::7"));
    CHECK(told->port == 40000);
    CHECK(told->clock == s.now.wall);
    CHECK(answered->gate.tag == slot_tag(client.request.gate, 0));
    CHECK(answered->gate.mac_key == gate_keys(client.request.gate, 0).mac_key);
}

TEST_CASE("each number of a hello is answered once, within a window") {
    Handshaking s;
    Handshaking::Client client{};
    const auto refused = [&](handshake::Number number) {
        return !s.answer(s.hello(client, kPlain, number)) && is_refused(s.last, Reject::replay);
    };
    CHECK(refused(65));
    CHECK(s.answer(s.hello(client, kPlain, 64)));
    CHECK(s.used(kPlain) == 64);
    for (const handshake::Number number : {1u, 63u, 64u, 129u})
        CHECK(refused(number));
    s.restart(); // the worker's end forgets none
    CHECK(refused(64));
    CHECK(s.answer(s.hello(client, kPlain, 128)));
    CHECK(s.judge->next_hello(kPlain) == 129);
    CHECK(s.judge->next_hello(kTotp) == 1);
    CHECK(s.answer(s.hello(client, kDelegate, 1))); // each device has its own
}

TEST_CASE("what is no hello of that credential and number gets no answer") {
    Handshaking s;
    Handshaking::Client client{};
    const Record right = s.hello(client, kPlain, 3);
    const auto refused = [&](Record r, Reject reason) {
        const bool is = !s.answer(r) && is_refused(s.last, reason);
        return is && s.used(kPlain) == 0;
    };
    Record r = right;
    r.slot = 4;
    CHECK(refused(r, Reject::tag));
    r.slot = 0;
    CHECK(refused(r, Reject::tag));
    r.slot = ~std::uint64_t{0};
    CHECK(refused(r, Reject::tag));
    r = right;
    r.credential = kDelegate;
    CHECK(refused(r, Reject::tag));
    for (const std::size_t none : {s.policy.credentials.size(), std::size_t{99}}) {
        r.credential = static_cast<std::uint32_t>(none);
        CHECK(refused(r, Reject::tag));
    }
    const wire::Packet packet = packet_of(right);
    for (std::size_t bit = 0; bit < 8 * packet.size(); ++bit) {
        wire::Packet changed = packet;
        changed[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
        r.credential = kPlain;
        r.bytes.assign(changed);
        CAPTURE(bit);
        CHECK(refused(r, bit < 64 ? Reject::tag : Reject::mac));
    }
    for (std::size_t size = 0; size < packet.size(); ++size) {
        r.bytes.assign(ByteView(packet).first(size));
        CHECK(refused(r, Reject::tag));
    }
    r = right;
    r.arrived = s.now.boot - kSessionLife - 1ns;
    CHECK(refused(r, Reject::late));
    CHECK(s.answer(right));
}

TEST_CASE("a hello whose MAC is right and whose content is not is refused") {
    Handshaking s;
    const handshake::Keys keys = s.handshake_keys(kPlain);
    RequestBytes noise{};
    const auto packet = seal_packet(keys.hello, 1, hedged_nonce(keys.hello.nonce, s.now.wall, noise), noise);
    CHECK_FALSE(s.answer(s.record_of(packet, RecordKind::hello, kPlain, 1, "192.0.2.7")));
    CHECK(is_refused(s.last, Reject::box));
}

TEST_CASE("a hello whose public key is of low order is refused, and begins no session") {
    Handshaking s;
    const handshake::Keys keys = s.handshake_keys(kPlain);
    for (handshake::Number number = 1; number <= 2 * kMostHalfOpen; ++number) {
        const RequestBytes message = low_order_message(keys.psk, number);
        const auto packet =
            seal_packet(keys.hello, number, hedged_nonce(keys.hello.nonce, s.now.wall, message), message);
        CHECK_FALSE(s.answer(s.record_of(packet, RecordKind::hello, kPlain, number, "192.0.2.7")));
        CHECK(is_refused(s.last, Reject::box));
        CHECK(s.used(kPlain) == number);
    }
    Handshaking::Client client{};
    CHECK(s.answer(s.hello(client, kPlain, 1 + 2 * kMostHalfOpen)));
}

TEST_CASE("the filter hears of no hellos of an empty place and of who may not knock so") {
    Handshaking s;
    CHECK(s.judge->next_hello(kPlain) == 1);
    s.policy.credentials[kPlain].modes.reset(static_cast<std::size_t>(KnockMode::handshake));
    s.policy.credentials[kDelegate] = {};
    s.restart();
    CHECK_FALSE(s.judge->next_hello(kPlain));
    CHECK_FALSE(s.judge->next_hello(kDelegate));
    Handshaking::Client client{};
    CHECK_FALSE(s.answer(s.hello(client, kDelegate, 1)));
    CHECK(is_refused(s.last, Reject::tag));
}

TEST_CASE("a device without room for its numbers gets no answer") {
    Handshaking s;
    const std::size_t before = s.policy.credentials.size();
    for (std::uint32_t i = 0; i < kMostHelloStates; ++i) {
        Credential c;
        store_be<std::uint32_t>(std::span(c.id).first<4>(), 0xee000000 + i);
        s.policy.credentials.push_back(c);
    }
    s.restart();
    for (std::size_t i = before; i < s.policy.credentials.size(); ++i)
        REQUIRE(s.state.hellos(s.policy.credentials[i].id, s.policy) != nullptr);
    CHECK_FALSE(s.judge->next_hello(kPlain));
    Handshaking::Client client{};
    CHECK_FALSE(s.answer(s.hello(client, kPlain, 1)));
    CHECK(is_refused(s.last, Reject::memory_full));
}

TEST_CASE("who may not knock so, or not now, or not from there gets no answer") {
    Handshaking s;
    Handshaking::Client client{};
    handshake::Number number = 0;
    const auto refused = [&](Reject reason) {
        s.restart();
        return !s.answer(s.hello(client, kPlain, ++number)) && is_refused(s.last, reason);
    };
    Credential& bob = s.policy.credentials[kPlain];
    const Credential before = bob;
    bob.modes.reset(static_cast<std::size_t>(KnockMode::handshake));
    CHECK(refused(Reject::mode));
    bob = before;
    bob.enabled = false;
    CHECK(refused(Reject::disabled));
    bob = before;
    bob.valid_until = s.now.wall - 1s;
    CHECK(refused(Reject::expired));
    bob = before;
    bob.networks.count = 1;
    bob.networks.networks[0] = Prefix::parse("198.51.100.0/24").value();
    CHECK(refused(Reject::network));
    bob = before;
    s.restart();
    s.judge->set_panic(true);
    CHECK_FALSE(s.answer(s.hello(client, kPlain, ++number)));
    CHECK(is_refused(s.last, Reject::panic));
    s.judge->set_panic(false);
    CHECK_FALSE(s.answer(s.hello(client, kPlain, ++number, "169.254.1.1"))); // the answer could not name it
    CHECK(is_refused(s.last, Reject::address));
    CHECK(s.answer(s.hello(client, kPlain, ++number)));
    CHECK(s.used(kPlain) == number); // each refused one was used too
}

TEST_CASE("while our clock is wrong only those get an answer who do not need it") {
    Handshaking s;
    Handshaking::Client client{};
    s.judge->set_clock_credible(false);
    CHECK_FALSE(s.answer(s.hello(client, kTotp, 1)));
    CHECK(is_refused(s.last, Reject::server_clock));
    CHECK(s.answer(s.hello(client, kHmac, 1)));
    CHECK(s.answer(s.hello(client, kPlain, 1)));
    Credential dated = s.policy.credentials[kPlain];
    dated.valid_from = s.now.wall - 1h;
    CHECK(depends_on_clock(dated));
    dated = s.policy.credentials[kPlain];
    dated.valid_until = s.now.wall + 1h;
    CHECK(depends_on_clock(dated));
    dated = s.policy.credentials[kPlain];
    dated.hours.count = 1;
    CHECK(depends_on_clock(dated));
    s.judge->set_clock_credible(true);
    CHECK(s.answer(s.hello(client, kTotp, 2)));
}

TEST_CASE("four handshakes of a device may be half open; none ends another, and time ends all") {
    Handshaking s;
    Handshaking::Client first{}, client{};
    const auto answered = s.answer(s.hello(first, kPlain, 1));
    REQUIRE(answered);
    REQUIRE(s.read(first, kPlain, *answered));
    for (handshake::Number number = 2; number <= 4; ++number)
        CHECK(s.answer(s.hello(client, kPlain, number)));
    CHECK_FALSE(s.answer(s.hello(client, kPlain, 5)));
    CHECK(is_refused(s.last, Reject::half_open));
    CHECK(s.answer(s.hello(client, kDelegate, 1)));
    CHECK(is_accepted(s.judged(s.asked(first, s.request(kPlain)))));
    CHECK(s.answer(s.hello(client, kPlain, 6))); // the first is not half open any more
    CHECK_FALSE(s.answer(s.hello(client, kPlain, 7)));
    s.pass(kSessionLife);
    for (handshake::Number number = 8; number <= 11; ++number)
        CHECK(s.answer(s.hello(client, kPlain, number)));
}

TEST_CASE("there are 1,024 sessions at most, with those whose request has come") {
    Handshaking s;
    Handshaking::Client client{};
    handshake::Number number = 0;
    std::size_t answers = 0;
    for (std::size_t i = 0; i < kMostSessions + 10; ++i) {
        const auto answered = s.answer(s.hello(client, kPlain, ++number));
        if (!answered)
            break;
        ++answers;
        REQUIRE(s.read(client, kPlain, *answered));
        Request r = s.request(kPlain);
        r.id[1] = static_cast<std::uint8_t>(i >> 8);
        r.id[2] = 0x77;
        (void)s.judged(s.asked(client, r));
    }
    CHECK(answers == kMostSessions);
    CHECK(is_refused(s.last, Reject::half_open));
}

TEST_CASE("a request counts once, for its session, from where the hello came, and in time") {
    Handshaking s;
    Handshaking::Client client{};
    const auto answered = s.answer(s.hello(client, kPlain, 1));
    REQUIRE(answered);
    REQUIRE(s.read(client, kPlain, *answered));
    const Record right = s.asked(client, s.request(kPlain));
    Record elsewhere = right;
    elsewhere.source = address("198.51.100.66");
    CHECK(is_refused(s.judged(elsewhere), Reject::source));
    const wire::Packet packet = packet_of(right);
    for (const std::size_t byte : {0u, 7u, 8u, 15u, 16u, 39u, 40u, 191u}) {
        wire::Packet changed = packet;
        changed[byte] ^= 1;
        Record r = right;
        r.bytes.assign(changed);
        CHECK(is_refused(s.judged(r), byte < 8 ? Reject::tag : Reject::mac));
    }
    for (const std::size_t size : {packet.size() - 1, packet.size() + 1}) {
        Bytes<wire::kPacketSize + 1> longer{};
        std::ranges::copy(packet, longer.begin());
        Record r = right;
        r.bytes.assign(ByteView(longer).first(size));
        CHECK(is_refused(s.judged(r), Reject::tag));
    }
    wire::Packet box = packet;
    box.back() ^= 1;
    std::ranges::copy(compute_mac(gate_keys(client.request.gate, 0).mac_key, box), box.begin() + wire::kMacOffset);
    Record sealed = right;
    sealed.bytes.assign(box);
    const Outcome unopened = s.judged(sealed);
    CHECK(is_refused(unopened, Reject::box));
    CHECK(unopened.credential == kPlain);
    CHECK(s.firewall.untouched());
    Record late = right;
    late.arrived = s.now.boot + kSessionLife;
    CHECK(is_refused(s.judged(late), Reject::tag));
    CHECK(is_accepted(s.judged(right)));
    CHECK(is_refused(s.judged(right), Reject::replay));
    s.restart();
    CHECK(is_refused(s.judged(right), Reject::tag)); // the keys ended with the process
    CHECK(s.firewall.opened.size() == 1);
}

TEST_CASE("a request that is retried in another handshake does nothing more") {
    Handshaking s;
    const Request r = s.request(kTotp);
    CHECK(is_accepted(s.judged(s.whole(kTotp, 1, r))));
    const Outcome again = s.judged(s.whole(kTotp, 2, r));
    REQUIRE(again.accepted() != nullptr);
    CHECK(again.accepted()->retry);
    CHECK(s.firewall.opened.size() == 1);
}

TEST_CASE("the proof of a key is good for one handshake") {
    Handshaking s;
    Handshaking::Client first{}, second{};
    for (auto* client : {&first, &second}) {
        const auto answered = s.answer(s.hello(*client, kHmac, client == &first ? 1 : 2));
        REQUIRE(answered);
        REQUIRE(s.read(*client, kHmac, *answered));
    }
    Request r = s.request(kHmac);
    const RequestBytes bytes = encode_request(r);
    const wire::Nonce nonce = hedged_nonce(second.request.nonce, r.clock, bytes);
    r.proof = hmac_proof(kHmacKey, handshake::signed_message(kServer, first.state.transcript(),
                                                             slot_tag(second.request.gate, 0), nonce, bytes));
    CHECK(is_refused(s.judged(s.asked(second, r)), Reject::wrong_code));
    CHECK(is_accepted(s.judged(s.asked(first, s.request(kHmac)))));
}

TEST_CASE("a credential that changes loses its sessions") {
    Handshaking s;
    Handshaking::Client client{};
    const auto answered = s.answer(s.hello(client, kPlain, 1));
    REQUIRE(answered);
    REQUIRE(s.read(client, kPlain, *answered));
    PolicyChange change;
    change.places = static_cast<std::uint32_t>(s.policy.credentials.size());
    change.settings = s.policy.settings;
    change.services = s.policy.services;
    change.changed = {{kPlain, s.policy.credentials[kPlain]}};
    const CredentialKeys keys = s.keys_of(kPlain);
    const FactorSecret factor{};
    s.judge->change_policy(change, {&keys, 1}, {&factor, 1}, s.now);
    CHECK(is_refused(s.judged(s.asked(client, s.request(kPlain))), Reject::tag));
}

TEST_CASE("used numbers outlive a boot, and those behind a copy that is not clean count as used") {
    Handshaking s;
    Handshaking::Client client{};
    REQUIRE(s.answer(s.hello(client, kPlain, 10)));
    for (const bool clean : {true, false}) {
        const std::string copy = save_state(s.state.image(), s.state.replay().entries(), s.now, clean);
        StateContents contents;
        REQUIRE(read_copy({reinterpret_cast<const std::uint8_t*>(copy.data()), copy.size()}, contents) ==
                StateFit::whole);
        StateMemory memory;
        State next(memory.bytes());
        next.begin_boot({0xb0, 0x08}, s.now, 30s, &contents);
        CHECK(next.hellos(s.policy.credentials[kPlain].id, s.policy)->last == (clean ? 10 : 10 + kHelloWindow));
    }
}

TEST_CASE("a handshake by a clock that is wrong does not keep later packets out") {
    Handshaking s;
    CHECK(is_accepted(s.knock(kPlain)));
    const Slot before = s.state.header().high_slot;
    s.set_wall(s.now.wall + 24h * 365 * 70);
    CHECK(is_accepted(s.judged(s.whole(kHmac, 1, s.request(kHmac)))));
    CHECK(s.state.header().high_slot == before);
    s.set_wall(s.now.wall - 24h * 365 * 70);
    CHECK(s.state.believes(s.now, 30s));
}

TEST_CASE("a session ends fifteen seconds after its hello, however long that waited") {
    Handshaking s;
    Handshaking::Client client{};
    Record record = s.hello(client, kPlain, 1);
    record.arrived -= 10s;
    const auto answered = s.answer(record);
    REQUIRE(answered);
    CHECK(answered->until == (s.now.boot + 5s).time_since_epoch().count());
}

TEST_CASE("where knocks may be unknown to this memory, hellos may be too") {
    Handshaking s;
    Handshaking::Client client{};
    REQUIRE(s.answer(s.hello(client, kPlain, 10)));
    s.state.raise_horizon(s.now, 30s);
    CHECK(s.used(kPlain) == 10 + kHelloWindow);
    CHECK(s.judge->next_hello(kPlain) == 11 + kHelloWindow);
}

TEST_CASE("the numbers of devices that are gone make room for others") {
    Handshaking s;
    Policy many;
    for (std::uint32_t i = 0; i < kMostHelloStates; ++i) {
        Credential c;
        store_be<std::uint32_t>(std::span(c.id).first<4>(), i + 1);
        many.credentials.push_back(c);
        REQUIRE(s.state.hellos(c.id, many) != nullptr);
    }
    s.state.hellos(many.credentials[7].id, many)->last = 99;
    CHECK(s.state.hellos({0xff, 1}, many) == nullptr);
    CHECK(s.state.hellos({}, many) == nullptr);
    many.credentials.erase(many.credentials.begin() + 7);
    HelloState* const reused = s.state.hellos({0xff, 1}, many);
    REQUIRE(reused != nullptr);
    CHECK(reused->last == 0);
    CHECK(s.state.hellos({0xff, 1}, many) == reused);
}
