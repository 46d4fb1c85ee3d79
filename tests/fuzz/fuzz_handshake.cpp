// SPDX-License-Identifier: MIT
//
// Both ends of a handshake. A user has his own keys, so the harness seals for him what the input says: hellos, answers
// and requests that are right, or with one byte changed in the packet, in the Noise message or in the plaintext. Only
// an authentic hello is answered, and once; the sessions stay bounded; only the right end of a session opens anything,
// and once; and the client believes no answer but that to its hello.
#include "daemon/authz/handshakes.h"
#include "fixtures.h"

#include <set>
#include <tuple>

using namespace xk;
using namespace xk::fuzz;
using namespace xk::authz;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t kMaxActions = 24;
constexpr std::size_t kPayload = wire::kRequestSize - noise::kOverhead;

// Where one byte is changed, and how.
struct Change {
    enum Layer : std::uint8_t { kPacket, kMessage, kPlain, kLayers };
    Layer layer;
    std::uint8_t where, mask; // mask 0: nothing is changed

    explicit Change(Input& in)
        : layer(static_cast<Layer>(in.number() % kLayers)), where(in.number()), mask(in.number()) {}
    bool is_none() const { return mask == 0; }
    template <std::size_t N>
    void apply(Layer here, Bytes<N>& bytes) const {
        if (layer == here)
            bytes[where % N] ^= mask;
    }
};

// One handshake as its client knows it.
struct Client {
    std::uint32_t who = 0;
    handshake::Number number = 0;
    noise::Handshake state;
    CredentialKeys request; // behind the answer
    Address source;
    BootTime until; // of the session
    bool came = false;
};

struct House : Fixtures {
    using Fixtures::Fixtures;

    handshake::Number last(std::uint32_t who) { return state.hellos(policy.credentials[who].id, policy)->last; }
    std::ptrdiff_t half_open(std::uint32_t who) const {
        return std::ranges::count_if(clients,
                                     [&](const Client& c) { return c.who == who && !c.came && c.until > now.boot; });
    }

    std::vector<Client> clients; // whose hello was answered
    std::set<std::pair<std::uint32_t, handshake::Number>> answered;
    std::set<std::tuple<std::uint32_t, wire::RequestId, bool>> done; // requests, by the family of their address
    bool is_first = true;
};

const handshake::Keys& handshake_keys(std::uint32_t who) {
    static const std::vector<handshake::Keys> all = [] {
        std::vector<handshake::Keys> keys(kCredentials);
        for (std::uint32_t i = 0; i < kCredentials; ++i)
            handshake::derive_keys(keys[i], keys_of(i).handshake);
        return keys;
    }();
    return all[who];
}

// docs/protocol.md, "The handshake".
Bytes<42> prologue(handshake::Number number) {
    Bytes<42> out{};
    std::ranges::copy(std::string_view("xknock/1 handshake"), out.begin());
    std::ranges::copy(kServer, out.begin() + 18);
    store_be<std::uint64_t>(std::span(out).last<8>(), number);
    return out;
}

wire::Packet sealed(const CredentialKeys& keys, handshake::Number number, RequestBytes bytes, const Change& change) {
    change.apply(Change::kMessage, bytes);
    wire::Packet packet = seal_packet(keys, number, hedged_nonce(keys.nonce, WallTime{}, bytes), bytes);
    change.apply(Change::kPacket, packet);
    return packet;
}

wire::Packet hello_of(Client& client, const Change& change) {
    Key ephemeral;
    randombytes_buf(ephemeral.data(), ephemeral.size());
    Bytes<kPayload> payload{1};
    change.apply(Change::kPlain, payload);
    RequestBytes message;
    client.state.begin(handshake_keys(client.who).psk, prologue(client.number));
    client.state.write_first(ephemeral, payload, message);
    return sealed(handshake_keys(client.who).hello, client.number, message, change);
}

Record record_of(RecordKind kind, const wire::Packet& packet, const Address& source, const Now& now) {
    Record record;
    record.kind = kind;
    record.source = source;
    record.source_port = 40000;
    record.destination = own_address();
    record.arrived = now.boot;
    record.bytes.assign(packet);
    return record;
}

// The client gets the server's answer, and before it the same with another byte.
void read_answer(House& house, Client& client, const HelloAnswer& answer, const Change& change, const Record& hello) {
    wire::Packet wrong = answer.packet;
    wrong[change.where % wrong.size()] ^= static_cast<std::uint8_t>(change.mask | 1);
    noise::Handshake copy = client.state;
    FUZZ_CHECK(!handshake::read_answer(copy, handshake_keys(client.who), client.number, wrong));
    copy = client.state;
    FUZZ_CHECK(!handshake::read_answer(copy, handshake_keys(client.who), client.number + 1, answer.packet));
    const auto told = handshake::read_answer(client.state, handshake_keys(client.who), client.number, answer.packet);
    FUZZ_CHECK(told == (handshake::Answer{std::max(house.now.wall, WallTime{}), hello.source, hello.source_port}));
    noise::TransportKeys transport;
    client.state.split(transport);
    handshake::derive_request_keys(client.request, transport);
    FUZZ_CHECK(answer.gate.tag == gate_keys(client.request.gate, 0).tag && answer.place == client.who);
    client.source = hello.source;
    client.until = hello.arrived + kSessionLife;
    FUZZ_CHECK(answer.until == client.until.time_since_epoch().count());
}

void send_hello(Input& in, House& house) {
    Client client;
    client.who = in.number() % kCredentials;
    const handshake::Number last = house.last(client.who);
    client.number = last + in.number() % 80;
    const Change change(in);
    Record record = record_of(RecordKind::hello, hello_of(client, change), address_of(in.number()), house.now);
    const std::uint8_t lies = in.number();
    record.arrived -= 250ms * (lies & 0x3f);
    record.credential = lies == 0xff ? client.who + 1 : client.who;
    record.slot = lies == 0xfe ? client.number + 1 : client.number;
    const bool is_authentic = change.is_none() && lies < 0xfe && client.number != 0;
    const bool is_new = client.number > last && client.number - last <= kHelloWindow;
    const Credential& credential = house.policy.credentials[client.who];

    const auto result = house.judge_hello(record);
    const auto* answer = std::get_if<HelloAnswer>(&result);
    FUZZ_CHECK(house.firewall.asked.empty());
    FUZZ_CHECK(house.last(client.who) == last || (is_authentic && is_new && house.last(client.who) == client.number));
    const bool is_right = client.who <= kPlain && record.source == address_of(0) && lies == 0 && house.is_first;
    house.is_first = false;
    if (answer == nullptr) {
        FUZZ_CHECK(!(is_right && is_authentic && is_new));
        return;
    }
    FUZZ_CHECK(is_authentic && is_new && house.last(client.who) == client.number);
    FUZZ_CHECK(house.answered.emplace(client.who, client.number).second);
    FUZZ_CHECK(credential.enabled && record.source.is_grantable());
    FUZZ_CHECK(house.now.boot - record.arrived <= kSessionLife);
    read_answer(house, client, *answer, change, record);
    house.clients.push_back(client);
    FUZZ_CHECK(house.half_open(client.who) <= static_cast<std::ptrdiff_t>(kMostHalfOpen));
}

// A server that has the key and answers what it likes.
void answer_anything(Input& in) {
    Client client;
    client.who = in.number() % kCredentials;
    client.number = 1 + in.number();
    const auto& keys = handshake_keys(client.who);
    noise::Handshake server;
    Change none(in);
    none.mask = 0;
    const bool read = handshake::read_hello(server, keys, kServer, client.number, hello_of(client, none));
    FUZZ_CHECK(read);
    const auto payload = in.bytes<kPayload>();
    const Key ephemeral{1};
    RequestBytes message;
    const bool written = server.write_second(ephemeral, payload, message);
    FUZZ_CHECK(written);
    const auto told =
        handshake::read_answer(client.state, keys, client.number, sealed(keys.answer, client.number, message, none));
    if (!told)
        return;
    FUZZ_CHECK(payload[0] == 1 && payload[1] == 0 && all_zero(std::span(payload).subspan<4, 4>()) &&
               all_zero(std::span(payload).subspan<32>()));
    FUZZ_CHECK(told->port == load_be<std::uint16_t>(std::span(payload).subspan<2, 2>()) && told->port != 0);
    FUZZ_CHECK(told->seen.is_grantable() && std::ranges::equal(told->seen.bytes, std::span(payload).subspan<16, 16>()));
    FUZZ_CHECK(told->clock >= WallTime{} && told->clock.time_since_epoch().count() >> 62 == 0);
}

RequestBytes plain_request(Input& in, const House& house, const Client& client) {
    Request request;
    request.service = service_id("ssh");
    request.id = {static_cast<std::uint8_t>(1 + in.number() % 8)};
    request.clock = WallTime(std::chrono::seconds(in.number())); // of no meaning here
    request.factor = house.policy.credentials[client.who].factor;
    if (has_codes(request.factor)) {
        const auto digits = house.policy.credentials[client.who].totp_digits;
        request.proof = *totp_proof(totp_code(kTotpSecret, totp_step(house.now.wall), digits), digits);
    }
    return encode_request(request);
}

// The proof of a key covers the plaintext, so it is computed over the changed one.
void put_hmac(RequestBytes& plain, const Client& client) {
    const wire::Nonce nonce = hedged_nonce(client.request.nonce, WallTime{}, plain);
    const auto message = handshake::signed_message(kServer, client.state.transcript(),
                                                   gate_keys(client.request.gate, 0).tag, nonce, plain);
    std::ranges::copy(hmac_proof(kHmacKey, message), plain.begin() + wire::kSignedSize);
}

void send_request(Input& in, House& house) {
    if (house.clients.empty())
        return;
    Client& client = house.clients[in.number() % house.clients.size()];
    const Change change(in);
    RequestBytes plain = plain_request(in, house, client);
    change.apply(Change::kPlain, plain);
    change.apply(Change::kMessage, plain);
    wire::Packet packet;
    if (house.policy.credentials[client.who].factor == FactorKind::hmac) {
        const wire::Nonce nonce = hedged_nonce(client.request.nonce, WallTime{}, plain);
        put_hmac(plain, client);
        packet = seal_packet(client.request, 0, nonce, plain);
    } else {
        packet = seal_packet(client.request, 0, hedged_nonce(client.request.nonce, WallTime{}, plain), plain);
    }
    change.apply(Change::kPacket, packet);
    const Address source = in.flag() ? address_of(in.number()) : client.source;
    const bool is_alive = client.until > house.now.boot;
    const bool is_sealed = change.is_none() || change.layer != Change::kPacket;
    client.came |= is_alive && is_sealed;

    Record record = record_of(RecordKind::handshake_request, packet, source, house.now);
    const Outcome outcome = house.judge(record);
    const bool is_done = !house.firewall.asked.empty() || (outcome.accepted() != nullptr && !outcome.accepted()->retry);
    FUZZ_CHECK(outcome.accepted() == nullptr || (is_alive && is_sealed && source == client.source));
    if (is_done) {
        const auto decoded = decode_request(plain);
        const auto* request = std::get_if<Request>(&decoded);
        FUZZ_CHECK(request != nullptr && is_alive && is_sealed && source == client.source);
        FUZZ_CHECK(outcome.credential == client.who && request->factor == house.policy.credentials[client.who].factor);
        FUZZ_CHECK(house.policy.credentials[client.who].enabled);
        const Address& address = request->address_mode == AddressMode::source ? source : request->address;
        FUZZ_CHECK(house.done.emplace(client.who, request->id, address.is_v4()).second);
    }
    // The same packet again does nothing, from wherever. One from elsewhere was no use of it.
    if (source != client.source)
        return;
    house.firewall.asked.clear();
    record.source = address_of(in.number());
    const Outcome again = house.judge(record);
    FUZZ_CHECK(house.firewall.asked.empty() && (again.accepted() == nullptr || again.accepted()->retry));
    FUZZ_CHECK(!is_done || again.refused() != nullptr);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static StateMemory memory;
    begin_fixed_randomness();
    memory.clear();
    House house(memory);

    Input in(data, size);
    for (std::size_t count = 0; !in.empty() && count < kMaxActions; ++count) {
        house.firewall.asked.clear();
        switch (in.number() % 8) {
        case 0:
        case 1:
        case 2:
            send_hello(in, house);
            break;
        case 3:
        case 4:
            send_request(in, house);
            break;
        case 5:
            answer_anything(in);
            break;
        case 6:
            house.pass(250ms * in.number());
            break;
        case 7: // the worker ends, and the sessions with it; the used numbers do not
            house.restart();
            for (Client& client : house.clients)
                client.until = BootTime{};
            break;
        }
    }
    return 0;
}
