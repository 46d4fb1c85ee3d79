// SPDX-License-Identifier: MIT
//
// Claim: what a way of knocking has proved, and what is asked for. A Method makes it of a Record; the steps behind
// (daemon/authz/judge.h) know nothing else of the knock.
#pragma once

#include "daemon/authz/replay.h"
#include "protocol/base/address.h"
#include "protocol/base/clock.h"
#include "protocol/otp.h"
#include "protocol/request.h"
#include "protocol/service.h"
#include "protocol/slot.h"
#include "protocol/wire.h"

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>

namespace xk::authz {

// By what a knock is known again. None of them may have been judged before. The first one is of the packet, and carries
// the id of the request that all of its packets share; a way of knocking without request ids makes one of what cannot
// come twice. Further ones are of parts that count once in whatever knock they come, and make their id of themselves.
class ReplayKeys {
  public:
    static constexpr std::size_t kMost = 4;

    explicit ReplayKeys(const KnockId& first) { add(first); }
    // No more than kMost.
    void add(const KnockId& key) { keys_.at(count_++) = key; }
    std::span<const KnockId> all() const { return {keys_.data(), count_}; }
    const KnockId& first() const { return keys_.front(); }

  private:
    std::array<KnockId, kMost> keys_{};
    std::size_t count_ = 0;
};

// What shows that the knock was made now.
struct Freshness {
    // When, as far as the knock proves it; of a span of time its beginning. None: it answers a challenge of ours, which
    // no knock of before can.
    std::optional<WallTime> made;
    std::chrono::seconds tolerance{0}; // off the arrival, either way
};

// What is offered for the second factor. Whether it is right is not judged yet.
struct Evidence {
    static constexpr std::size_t kMostSigned = sizeof(SignedMessage); // bytes

    FactorKind kind = FactorKind::none;
    Proof proof{}; // digits, or an HMAC or signature over signed_bytes()
    std::array<std::uint8_t, kMostSigned> message{};
    std::size_t message_size = 0;
    // Of a way of knocking that is made of the code itself (ports that follow from it): the step whose code it is. No
    // digits were sent then.
    std::optional<TotpStep> step{};

    ByteView signed_bytes() const { return {message.data(), message_size}; }
};

// What is asked for.
struct Wanted {
    Action action = Action::open;
    AddressMode address_mode = AddressMode::source;
    Address address{}; // that the knock names; in mode `source` it names none
    ServiceId service = 0;
    Address target{}; // of `endpoint`; unspecified: this host
    Endpoint endpoint{};
    bool single_use = false;
    std::uint32_t lifetime = 0; // seconds; 0: the policy's default
};

struct Claim {
    std::uint32_t credential = 0; // index into the policy; its key was used
    Slot slot = 0;                // that the key is of: what is remembered of the knock gives way by it
    ReplayKeys replay;
    Freshness freshness;
    Evidence evidence;
    Wanted wanted;
};

} // namespace xk::authz
