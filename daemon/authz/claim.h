// SPDX-License-Identifier: MIT
//
// Claim: the facts that a way of knocking has proved, and the request. A Method makes it from a Record. The steps that
// follow (daemon/authz/judge.h) know nothing else of the knock.
#pragma once

#include "daemon/authz/replay.h"
#include "protocol/base/address.h"
#include "protocol/base/clock.h"
#include "protocol/handshake.h"
#include "protocol/otp.h"
#include "protocol/request.h"
#include "protocol/service.h"
#include "protocol/slot.h"
#include "protocol/wire.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>

namespace xk::authz {

// The keys by which a knock is recognised when it comes again. A knock is new only if none of its keys was judged
// before. The first key is of the packet and carries the id of the request, which all packets of the request share. A
// way of knocking without request ids makes an id from something that cannot come twice. Each further key is of a part
// that may be used only once in all knocks, and its id is made from that part.
class ReplayKeys {
  public:
    static constexpr std::size_t kMost = 4;

    ReplayKeys() = default;
    explicit ReplayKeys(const KnockId& first) { add(first); }
    // No more than kMost.
    void add(const KnockId& key) { keys_.at(count_++) = key; }
    std::span<const KnockId> all() const { return {keys_.data(), count_}; }
    const KnockId& first() const { return keys_.front(); }

  private:
    std::array<KnockId, kMost> keys_{};
    std::size_t count_ = 0;
};

// Shows that the knock was made now.
struct Freshness {
    // The time that the knock proves, or the beginning of a span of time. None: it answers a challenge of ours, which
    // an older knock cannot do.
    std::optional<WallTime> made;
    std::chrono::seconds tolerance{0}; // `made` may differ from the arrival by so much, either way
    bool is_clock = true;              // `made` is what the client's clock showed
};

// The slot under which the replay memory keeps a knock that carries no slot but the time when it was made. It is never
// beyond the slots of packets, because the highest slot that was accepted says which time it is at least.
inline Slot slot_made(WallTime made, WallTime arrived, std::chrono::seconds skew) {
    return std::min(slot_of(made), slot_of(arrived + skew));
}

// The evidence for the second factor. It is not checked yet.
struct Evidence {
    static constexpr std::size_t kMostSigned = sizeof(handshake::SignedMessage); // bytes, the longest of all modes

    FactorKind kind = FactorKind::none;
    Proof proof{}; // digits, or an HMAC or signature over signed_bytes()
    std::array<std::uint8_t, kMostSigned> message{};
    std::size_t message_size = 0;
    // The step of the code, where the knock is made from the code itself (ports that follow from it) and sends no
    // digits.
    std::optional<TotpStep> step{};

    ByteView signed_bytes() const { return {message.data(), message_size}; }
};

struct Wanted {
    Action action = Action::open;
    AddressMode address_mode = AddressMode::source;
    Address address{}; // as the knock names it; in mode `source` it names none
    ServiceId service = 0;
    Address target{}; // of `endpoint`; unspecified: this host
    Endpoint endpoint{};
    bool single_use = false;
    std::uint32_t lifetime = 0; // seconds; 0: the policy's default
};

// What a request of protocol/request.h asks for.
inline Wanted wanted_of(const Request& request) {
    return {.action = request.action,
            .address_mode = request.address_mode,
            .address = request.address,
            .service = request.service,
            .target = request.target,
            .endpoint = request.endpoint,
            .single_use = request.single_use,
            .lifetime = request.lifetime};
}

struct Claim {
    std::uint32_t credential = 0; // index into the policy; its key was used
    Slot slot = 0;                // of the key; the replay memory forgets the knock by it
    ReplayKeys replay;
    Freshness freshness;
    Evidence evidence;
    Wanted wanted;
    // The client sends each packet several times, so a replay for the same address is a copy and no news.
    bool has_copies = false;
};

} // namespace xk::authz
