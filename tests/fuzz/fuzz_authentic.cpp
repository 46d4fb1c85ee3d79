// SPDX-License-Identifier: MIT
//
// A user who seals whatever he likes with his own key, again and again while time passes: the plaintext is the
// input's, field by field put right where the input says so. What is accepted follows the policy, is done once and
// moves one counter; the same packet again does nothing. The harness seals, so no mutator has to.
#include "daemon/authz/lockout.h"
#include "fixtures.h"

#include <map>
#include <tuple>

using namespace xk;
using namespace xk::fuzz;
using namespace xk::authz;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t kMaxKnocks = 16;

// Offsets of docs/protocol.md, "The request".
constexpr std::size_t kActionAt = 1, kFactorAt = 2, kModeAt = 3, kProtocolAt = 4, kFlagsAt = 5, kPortAt = 6,
                      kServiceAt = 12, kClockAt = 16, kAddressAt = 24, kIdAt = 40, kTargetAt = 56, kProofAt = 72;

// Which fields of the plaintext are put right.
enum Right : std::uint8_t {
    kForm = 1,     // version, action, mode, reserved bytes
    kEndpoint = 2, // one that some service has
    kClock = 4,    // within the skew
    kAddress = 8,  // as the mode wants it
    kId = 16,      // one of four, so that requests come again
    kSlot = 32,    // the slot of the client's clock
    kProof = 64,   // the credential's own factor, and its proof
    kOldCode = 128 // a code of a step before or after
};
constexpr std::uint8_t kAllRight = kForm | kEndpoint | kClock | kAddress | kSlot | kProof;

struct Knock {
    std::uint32_t who = 0;
    std::uint8_t right = 0;
    RequestBytes plain{};
    Slot slot = 0;
    wire::Packet packet{};
    Record record; // of the packet
};

void put_time(RequestBytes& plain, WallTime time) {
    store_be<std::uint64_t>(field<kClockAt, 8>(std::span(plain)),
                            static_cast<std::uint64_t>(time.time_since_epoch().count()));
}

void put_endpoint(RequestBytes& plain) {
    static constexpr Endpoint kEndpoints[] = {{IpProtocol::tcp, 22},
                                              {IpProtocol::tcp, 443},
                                              {IpProtocol::udp, 51820},
                                              {IpProtocol::sctp, 5000},
                                              {IpProtocol::tcp, 51820}};
    static constexpr const char* kNames[] = {"ssh", "web", "vpn", "nothing"};
    const std::uint8_t choice = plain[kServiceAt];
    std::fill_n(plain.begin() + kPortAt, 2, std::uint8_t{0});
    std::fill_n(plain.begin() + kServiceAt, 4, std::uint8_t{0});
    plain[kProtocolAt] = 0;
    if (choice & 1) {
        const Endpoint& endpoint = kEndpoints[(choice >> 1) % std::size(kEndpoints)];
        plain[kProtocolAt] = static_cast<std::uint8_t>(endpoint.protocol);
        store_be<std::uint16_t>(field<kPortAt, 2>(std::span(plain)), endpoint.port);
    } else {
        store_be<std::uint32_t>(field<kServiceAt, 4>(std::span(plain)),
                                service_id(kNames[(choice >> 1) % std::size(kNames)]));
    }
}

void put_fields(Knock& knock, WallTime arrived, FactorKind factor) {
    RequestBytes& plain = knock.plain;
    if (knock.right & kForm) {
        plain[0] = kVersion;
        plain[kActionAt] = static_cast<std::uint8_t>(1 + plain[kActionAt] % 4);
        plain[kModeAt] %= 3;
        plain[kFlagsAt] = plain[kFlagsAt] == 0xff ? kFlagSingleUse : 0;
        const bool behind = plain[kTargetAt] == 0xfe;
        std::fill_n(plain.begin() + kTargetAt, kProofAt - kTargetAt, std::uint8_t{0});
        if (behind)
            std::ranges::copy(Address::v4(198, 51, 100, 9).bytes, plain.begin() + kTargetAt);
    }
    if (knock.right & kEndpoint)
        put_endpoint(plain);
    if (knock.right & kClock)
        put_time(plain, arrived + std::chrono::seconds(plain[kClockAt] % 61 - 30));
    if (knock.right & kAddress) {
        const auto mode = static_cast<AddressMode>(plain[kModeAt]);
        const Address address = mode == AddressMode::source  ? Address{}
                                : mode == AddressMode::bound ? knock.record.source
                                                             : address_of(plain[kAddressAt]);
        std::ranges::copy(address.bytes, plain.begin() + kAddressAt);
    }
    if (knock.right & kId) {
        plain[kIdAt] &= 3;
        std::fill(plain.begin() + kIdAt + 1, plain.begin() + kTargetAt, std::uint8_t{0});
    }
    if (knock.right & kProof)
        plain[kFactorAt] = static_cast<std::uint8_t>(factor);
}

Proof right_proof(const Knock& knock, const Credential& credential, const CredentialKeys& keys,
                  const wire::Nonce& nonce, WallTime arrived) {
    if (credential.factor == FactorKind::hmac)
        return hmac_proof(kHmacKey, kServer, gate_keys(keys.gate, knock.slot).tag, nonce, knock.plain);
    if (credential.factor != FactorKind::totp)
        return {};
    TotpStep step = totp_step(arrived);
    if (knock.right & kOldCode)
        step += static_cast<TotpStep>(knock.plain[kProofAt] % 5) - 2;
    return *totp_proof(totp_code(kTotpSecret, step, credential.totp_digits), credential.totp_digits);
}

Knock knock_from(Input& in, const Fixtures& house) {
    Knock knock;
    knock.who = in.number() % kCredentials;
    knock.right = in.number();
    const Credential& credential = house.policy.credentials[knock.who];
    const std::uint8_t slot_choice = in.number();
    knock.record.source = address_of(in.number());
    knock.record.destination = own_address();
    knock.record.source_port = 40000;
    knock.record.arrived = house.now.boot - 500ms * in.number();
    const WallTime arrived = house.now.wall_at(knock.record.arrived);
    const wire::Nonce nonce = {in.number(), in.number()};
    knock.plain = in.bytes<wire::kRequestSize>();
    put_fields(knock, arrived, credential.factor);

    const CredentialKeys keys = keys_of(knock.who);
    const auto clock =
        load_be<std::uint64_t>(field<kClockAt, 8>(std::span<const std::uint8_t, wire::kRequestSize>(knock.plain)));
    knock.slot = knock.right & kSlot
                     ? clock / static_cast<std::uint64_t>(std::chrono::microseconds(wire::kSlotLength).count())
                     : slot_of(arrived) + slot_choice % 7u - 3;
    if (knock.right & kProof)
        std::ranges::copy(right_proof(knock, credential, keys, nonce, arrived), knock.plain.begin() + kProofAt);
    knock.packet = seal_packet(keys, knock.slot, nonce, knock.plain);
    knock.record.bytes.assign(knock.packet);
    return knock;
}

// What was done for whom, to see that nothing is done twice.
class Ledger {
  public:
    void enter(const Knock& knock, const Request& request, Slot high_slot) {
        // Once for each family.
        const Address& address = request.address_mode == AddressMode::source ? knock.record.source : request.address;
        const auto key = std::tuple{knock.who, request.id, address.is_v4()};
        if (const auto known = done_.find(key); known != done_.end())
            FUZZ_CHECK(known->second + kSlotsKept < high_slot); // long ago: its packet cannot come again
        done_[key] = knock.slot;
    }

  private:
    std::map<std::tuple<std::uint32_t, wire::RequestId, bool>, Slot> done_;
};

// The proof is right, judged from outside.
bool factor_is_right(const Knock& knock, const Credential& credential, const Request& request, WallTime arrived) {
    if (request.factor != credential.factor)
        return false;
    switch (credential.factor) {
    case FactorKind::none:
        return all_zero(request.proof);
    case FactorKind::hmac:
        return request.proof ==
               hmac_proof(kHmacKey, kServer, packet_tag(knock.packet), packet_nonce(knock.packet), knock.plain);
    case FactorKind::totp:
        for (TotpStep step = totp_step(arrived) - 1; step <= totp_step(arrived) + 1; ++step)
            if (totp_proof(totp_code(kTotpSecret, step, credential.totp_digits), credential.totp_digits) ==
                request.proof)
                return true;
        return false;
    default:
        return false;
    }
}

struct Before {
    CredentialState record;
    std::int64_t horizon;
    bool source_banned, address_banned;
};

// Whenever the firewall was asked or an answer was given, all of this was so.
void check_allowed(const Knock& knock, const Request& request, const Fixtures& house, const Before& before) {
    const Credential& credential = house.policy.credentials[knock.who];
    const CredentialState& after = house.record(knock.who);
    const auto skew = house.policy.settings.skew;
    const WallTime arrived = house.now.wall_at(knock.record.arrived);
    FUZZ_CHECK(credential.enabled && arrived >= credential.valid_from && arrived < credential.valid_until);
    FUZZ_CHECK(!is_locked(before.record, house.now.boot) && !before.source_banned && !before.address_banned);
    FUZZ_CHECK(request.clock >= arrived - skew && request.clock <= arrived + skew);
    FUZZ_CHECK(request.clock.time_since_epoch().count() > before.horizon);
    FUZZ_CHECK(house.now.boot - knock.record.arrived <= kLongestWait);
    FUZZ_CHECK(factor_is_right(knock, credential, request, arrived));
    if (credential.factor == FactorKind::totp) {
        const bool same = before.record.request == request.id && before.record.code_step == after.code_step;
        FUZZ_CHECK(after.code_step > before.record.code_step || same); // a code counts once
    }
    FUZZ_CHECK(after.accepted == before.record.accepted + 1);
    // The address by its mode.
    const Address address = request.address_mode == AddressMode::source ? knock.record.source : request.address;
    FUZZ_CHECK(request.address_mode != AddressMode::source || credential.binding != Binding::match);
    FUZZ_CHECK(request.address_mode != AddressMode::bound || address == knock.record.source);
    FUZZ_CHECK(request.address_mode != AddressMode::delegated || credential.binding == Binding::explicit_);
    FUZZ_CHECK(address.is_grantable() && address != own_address());
    FUZZ_CHECK(may_open_for(credential, address) && credential.hours.has(arrived));
    FUZZ_CHECK(credential.networks.count == 0 || credential.networks.has(knock.record.source));
    FUZZ_CHECK(after.last_address == address);
}

// What the firewall was asked is what the request says, and something that it may be asked.
void check_asked(const Knock& knock, const Request& request, const Fixtures& house, const Outcome& outcome) {
    const auto& asked = house.firewall.asked;
    FUZZ_CHECK(asked.size() == (request.action == Action::probe ? 0 : 1));
    if (asked.empty())
        return;
    const GrantRequest& pinhole = asked[0].request;
    FUZZ_CHECK(asked[0].action == request.action && pinhole.credential == knock.who);
    if (request.action == Action::close_all)
        return;
    FUZZ_CHECK(pinhole.address ==
               (request.address_mode == AddressMode::source ? knock.record.source : request.address));
    FUZZ_CHECK(pinhole.service == request.service && pinhole.endpoint == request.endpoint);
    FUZZ_CHECK(pinhole.target == request.target && pinhole.single_use == request.single_use);
    FUZZ_CHECK(pinhole.lifetime == request.lifetime);
    FUZZ_CHECK(permit_close(pinhole, house.policy).answer == Answer::done);
    // The judge knows the policy: xknockd refuses what it asks only when dates have run out since the arrival.
    const Credential& credential = house.policy.credentials[knock.who];
    const bool in_dates = house.now.wall >= credential.valid_from && house.now.wall < credential.valid_until;
    if (outcome.refused() != nullptr && !house.firewall.failing && in_dates)
        FUZZ_CHECK(outcome.refused()->reason != Reject::refused);
}

// Neither was anything done nor is anything different from before, but for what a refusal itself changes.
void check_nothing_done(const Knock& knock, const Fixtures& house, const Before& before, const Outcome& outcome) {
    FUZZ_CHECK(house.firewall.asked.empty());
    const CredentialState& after = house.record(knock.who);
    FUZZ_CHECK(after.accepted == before.record.accepted && after.last_accepted == before.record.last_accepted);
    FUZZ_CHECK(after.code_step >= before.record.code_step);
    const bool wrong = outcome.refused() != nullptr && outcome.refused()->reason == Reject::wrong_code;
    if (wrong) { // the same wrong code again counts once in its time
        const bool same = before.record.wrong_code == after.wrong_code &&
                          before.record.wrong_until > house.now.boot.time_since_epoch().count();
        FUZZ_CHECK(after.failures == before.record.failures + (same ? 0 : 1));
    } else
        FUZZ_CHECK(after.failures == before.record.failures || after.failures == 0);
    if (after.failures > Lockout{}.free && wrong)
        FUZZ_CHECK(is_locked(after, house.now.boot));
}

bool is_before_memory(Reject reason) { return reason < Reject::replay; }

// The very same packet once more, from wherever: nothing happens.
void check_again(const Knock& knock, Fixtures& house, const Outcome& outcome, Address source, bool names_address) {
    house.firewall.asked.clear();
    Record copy = knock.record;
    copy.source = source;
    const Outcome again = house.judge(copy);
    FUZZ_CHECK(house.firewall.asked.empty());
    // A retry is not remembered where it names its address.
    if (outcome.accepted() != nullptr && outcome.accepted()->retry && names_address) {
        FUZZ_CHECK(again.accepted() != nullptr ? again.accepted()->retry
                                               : again.refused()->reason == Reject::request_reused);
        return;
    }
    FUZZ_CHECK(again.refused() != nullptr);
    if (outcome.refused() != nullptr && is_before_memory(outcome.refused()->reason))
        FUZZ_CHECK(again.refused()->reason == outcome.refused()->reason);
    else if (outcome.refused() == nullptr || outcome.refused()->reason != Reject::memory_full)
        FUZZ_CHECK(again.refused()->reason == Reject::replay);
}

// What happens around knocks.
void pass_events(Input& in, Fixtures& house) {
    const std::uint8_t events = in.number(), amount = in.number();
    house.pass(250ms * amount);
    if (events & 1)
        house.keeper.bans.add(Prefix::of(address_of(amount)), {house.now.boot + 60s, "fuzz"});
    if (events & 2)
        house.keeper.bans.remove(Prefix::of(address_of(amount)));
    if ((events & 12) == 12)
        house.restart();
    if ((events & 48) == 48)
        house.set_wall(house.now.wall - std::chrono::seconds(amount));
    if ((events & 192) == 192)
        house.state.accept_clock(house.now, house.policy.settings.skew);
    house.firewall.failing.reset();
    if ((events & 80) == 80)
        house.firewall.failing = static_cast<Answer>(amount % 6);
}

// The first knock of all, with everything as it should be: so the properties above are not true for want of
// anything accepted.
bool must_be_accepted(const Knock& knock, const Fixtures& house) {
    const bool right = (knock.right & kAllRight) == kAllRight && !(knock.right & kOldCode);
    return right && knock.who <= kPlain && knock.record.arrived == house.now.boot &&
           all_zero(std::span(knock.plain).subspan(kTargetAt, kProofAt - kTargetAt)) &&
           knock.record.source == address_of(0) && knock.plain[kModeAt] == 0 && knock.plain[kFlagsAt] == 0 &&
           load_be<std::uint32_t>(field<kServiceAt, 4>(
               std::span<const std::uint8_t, wire::kRequestSize>(knock.plain))) == service_id("ssh") &&
           house.now.wall == kStart.wall;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static StateMemory memory;
    begin_fixed_randomness();
    memory.clear();
    Fixtures house(memory);
    Ledger ledger;

    Input in(data, size);
    for (std::size_t count = 0; !in.empty() && count < kMaxKnocks; ++count) {
        const Knock knock = knock_from(in, house);
        const auto decoded = decode_request(knock.plain);
        const Request* request = std::get_if<Request>(&decoded);
        const Address address =
            request == nullptr || request->address_mode == AddressMode::source ? knock.record.source : request->address;
        const Before before{house.record(knock.who), house.state.header().horizon,
                            house.keeper.bans.is_banned(knock.record.source, house.now.boot),
                            house.keeper.bans.is_banned(address, house.now.boot)};
        house.firewall.asked.clear();
        const Outcome outcome = house.judge(knock.record);

        const bool done =
            !house.firewall.asked.empty() || (outcome.accepted() != nullptr && !outcome.accepted()->retry);
        if (done) {
            FUZZ_CHECK(request != nullptr && outcome.credential == knock.who);
            check_allowed(knock, *request, house, before);
            check_asked(knock, *request, house, outcome);
            ledger.enter(knock, *request, house.state.header().high_slot);
        } else {
            check_nothing_done(knock, house, before, outcome);
        }
        if (count == 0 && must_be_accepted(knock, house))
            FUZZ_CHECK(outcome.accepted() != nullptr && done);
        check_again(knock, house, outcome, address_of(in.number()),
                    request != nullptr && request->address_mode != AddressMode::source);
        pass_events(in, house);
    }
    return 0;
}
