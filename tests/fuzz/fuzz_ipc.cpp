// SPDX-License-Identifier: MIT
//
// A worker that was taken over: any bytes as its messages, and any request for pinholes. A message counts only with
// its own type and size, and a pinhole opens only for somebody who is entitled to it, at an address that a
// pinhole can be opened for, within all limits.
#include "daemon/events/from_worker.h"
#include "daemon/privsep/request_table.h"
#include "fixtures.h"

using namespace xk;
using namespace xk::fuzz;
using namespace xk::authz;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t kMaxAsks = 256;

template <typename M>
void check_as(const privsep::Received& received) {
    const auto message = privsep::as<M>(received);
    FUZZ_CHECK(message.has_value() == (received.bytes.size() == sizeof(M) && privsep::type_of(received) == M::kType));
    if (message)
        FUZZ_CHECK(std::memcmp(&*message, received.bytes.data(), sizeof(M)) == 0);
}

template <typename... M>
void check_as_each(ByteView bytes) {
    privsep::Received received;
    received.bytes.assign(bytes.begin(), bytes.end());
    FUZZ_CHECK(bytes.size() >= 4 || privsep::type_of(received) == privsep::Type{});
    (check_as<M>(received), ...);
}

void check_message(ByteView bytes) {
    using namespace privsep;
    check_as_each<Setup, NewPolicy, Secrets, Activate, privsep::Ban, Unban, ReplyGrant, Unlock, AcceptClock, Ping,
                  Ready, SecretsRead, Tags, RequestGrant, Notice, Pong, GrantCommitted, privsep::Panic, RaiseHorizon,
                  HorizonRaised, privsep::Outcome, Suppressed>(bytes);
}

template <typename M>
M message_from(Input& in) {
    Bytes<sizeof(M)> bytes = in.bytes<sizeof(M)>();
    M message;
    std::memcpy(static_cast<void*>(&message), bytes.data(), sizeof message);
    message.type = M::kType;
    return message;
}

// Whatever comes, in whatever phase: what the request table admits is a message to xknockd, of its size, in its phase,
// and was asked for where it is an answer.
void check_admission(ByteView bytes) {
    using namespace privsep;
    if (bytes.empty())
        return;
    const Phase phases[] = {Phase::set_up, Phase::hand_over, Phase::judging};
    const Phase phase = phases[bytes[0] % std::size(phases)];
    Received received;
    received.bytes.assign(bytes.begin() + 1, bytes.end());
    Conversation conversation(Side::xknockd, phase);
    for (const bool asked : {false, true}) {
        if (asked)
            for (const Type type : {Type::setup, Type::new_policy, Type::ping, Type::raise_horizon})
                conversation.on_sent(type);
        if (conversation.admit(received, kStart.boot))
            continue;
        const privsep::Rule* const rule = rule_of(type_of(received));
        FUZZ_CHECK(rule != nullptr && rule->to == Side::xknockd && received.bytes.size() == rule->size);
        FUZZ_CHECK((rule->phases & static_cast<std::uint8_t>(phase)) != 0);
        FUZZ_CHECK(rule->answers == Type{} || asked);
    }
}

// Whatever the numbers are: what they mean is written as the same numbers, or they mean nothing.
void check_meaning(Input& in) {
    using namespace privsep;
    const auto ask = message_from<RequestGrant>(in);
    if (const auto asked = checked(ask)) {
        RequestGrant again = request_grant(asked->verb, ask.credential, asked->request);
        again.sequence = ask.sequence;
        again.generation = ask.generation;
        FUZZ_CHECK(std::memcmp(&again, &ask, sizeof ask) == 0);
        FUZZ_CHECK(ask.protocol == 0 || name_of(asked->request.endpoint.protocol) != "none");
    }
    const auto notice = message_from<Notice>(in);
    if (const auto kind = checked(notice))
        FUZZ_CHECK(static_cast<std::uint32_t>(*kind) == notice.kind && notice.kind >= 1 && notice.kind <= 3);
    const auto tags = std::make_unique<Tags>(message_from<Tags>(in));
    if (const auto scope = checked(*tags))
        FUZZ_CHECK(tags->count <= kTagsInMessage && tags->first <= 1 && tags->last <= 1 &&
                   static_cast<std::uint32_t>(*scope) <= 2);
}

// Whatever the numbers of an outcome are, its events have names of the configuration alone.
void check_events(Input& in) {
    using namespace privsep;
    static const Policy policy = make_policy();
    auto outcome = message_from<privsep::Outcome>(in);
    const auto few = in.number();
    for (std::uint8_t* const flag : {&outcome.known, &outcome.was_read, &outcome.retry, &outcome.has_clock})
        *flag = few & 1 ? *flag & 1 : *flag;
    outcome.kind = few & 2 ? 1 + outcome.kind % 2 : outcome.kind;
    outcome.reject = few & 4 ? outcome.reject % kRejects : outcome.reject;
    const auto events = events::events_of(outcome, policy, kStart);
    for (const Event& event : events ? *events : std::vector<Event>{}) {
        FUZZ_CHECK(name_of(event.kind) != "?" && (!event.reject || name_of(*event.reject) != "?"));
        FUZZ_CHECK(event.user.size() <= kMaxName && event.service.size() <= kMaxName && event.detail.empty());
        FUZZ_CHECK(!event.action || name_of(*event.action) != "?");
        FUZZ_CHECK(event.lifetime.count() >= 0);
    }
    const auto suppressed = events::events_of(message_from<Suppressed>(in), kStart);
    FUZZ_CHECK(!suppressed || (!suppressed->empty() && suppressed->front().count != 0));
}

// A request with each field either likely or as the input has it.
GrantRequest request_from(Input& in, const Policy& policy) {
    static constexpr Endpoint kEndpoints[] = {
        {IpProtocol::tcp, 22}, {IpProtocol::tcp, 443}, {IpProtocol::udp, 51820}, {IpProtocol::sctp, 5000}};
    const std::uint8_t likely = in.number();
    GrantRequest request;
    const auto credential = in.number<std::uint32_t>();
    request.credential = likely & 1 ? credential % kCredentials : credential;
    if (likely & 2)
        request.address = address_of(in.number());
    else
        request.address.bytes = in.bytes<16>();
    if (likely & 4)
        request.address.bytes[15] = in.number(); // many pinholes of one credential
    const auto service = in.number<std::uint32_t>();
    if (likely & 8)
        request.service = service % 4 == 3 ? 0 : policy.services[service % 4].id;
    else
        request.service = service;
    if (likely & 16)
        request.endpoint = kEndpoints[service / 4 % std::size(kEndpoints)];
    else
        request.endpoint = {static_cast<IpProtocol>(in.number()), in.number<std::uint16_t>()};
    request.lifetime = in.number<std::uint32_t>();
    return request;
}

void check_requests(Input& in) {
    static const Policy policy = make_policy();
    GrantTable keeper(policy);
    Now now = kStart;
    for (std::size_t count = 0; !in.empty() && count < kMaxAsks; ++count) {
        const GrantRequest request = request_from(in, policy);
        const std::uint8_t what = in.number();
        switch (what % 8) {
        case 0:
            keeper.close_grant(request, now);
            break;
        case 1:
            keeper.close_all(request.credential, now);
            break;
        case 2:
            keeper.bans.add(Prefix::of(request.address), {now.boot + 10s, "fuzz"});
            FUZZ_CHECK(keeper.open_grant(request, now) != Answer::done);
            break;
        case 3: {
            now.wall += std::chrono::seconds(what);
            now.boot += std::chrono::seconds(what);
            keeper.bans.expire(now.boot);
            break;
        }
        default:
            keeper.open_grant(request, now);
        }
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    begin_fixed_randomness();
    check_message({data, size});
    check_admission({data, size});
    Input numbers(data, size);
    check_meaning(numbers);
    check_events(numbers);
    Input in(data, size);
    check_requests(in);
    return 0;
}
