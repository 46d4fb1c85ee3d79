// SPDX-License-Identifier: MIT
#include "daemon/authz/handshakes.h"

#include "daemon/authz/policy_change.h"
#include "protocol/seal.h"

#include <algorithm>
#include <cstring>
#include <span>

namespace xk::authz {
namespace {

std::int64_t count_of(BootTime t) { return t.time_since_epoch().count(); }

} // namespace

GateKeys hello_gate(const CredentialKeys& keys, handshake::Number number) {
    Secret<handshake::Keys> derived;
    handshake::derive_keys(*derived, keys.handshake);
    return gate_keys(derived->hello.gate, number);
}

bool depends_on_clock(const Credential& credential) {
    return credential.factor == FactorKind::totp || credential.hours.count != 0 ||
           credential.valid_from != WallTime::min() || credential.valid_until != WallTime::max();
}

std::optional<Reject> Handshakes::read(const Record& record, noise::Handshake& state) const {
    // The maps of the filter are not trusted: they only suggest the credential and the number.
    wire::Packet packet;
    const handshake::Number number = record.slot;
    if (record.bytes.size() != packet.size() || record.credential >= policy_.credentials.size() ||
        is_empty_place(policy_.credentials[record.credential]) || number == 0 || number > handshake::kLastNumber)
        return Reject::tag;
    std::memcpy(packet.data(), record.bytes.begin(), packet.size());
    Secret<handshake::Keys> keys;
    handshake::derive_keys(*keys, keys_[record.credential].handshake);
    GateKeys gate = gate_keys(keys->hello.gate, number);
    const Wiped wiped(gate);
    if (sodium_memcmp(gate.tag.data(), packet.data() + wire::kTagOffset, gate.tag.size()) != 0)
        return Reject::tag;
    if (!mac_matches(gate.mac_key, packet))
        return Reject::mac;
    return handshake::read_hello(state, *keys, policy_.settings.server, number, packet) ? std::nullopt
                                                                                        : std::optional(Reject::box);
}

// A place for a session, if the credential may have one more.
Handshakes::Session* Handshakes::free_session(std::uint32_t place, BootTime now) {
    if (sessions_.size() == 0)
        sessions_ = Secret<Session>(kMostSessions);
    Session* free = nullptr;
    std::size_t half_open = 0;
    for (Session& s : std::span(sessions_.data(), sessions_.size())) {
        if (s.until <= count_of(now)) {
            wipe(s);
            free = &s;
        } else if (s.place == place && s.came == 0) {
            ++half_open;
        }
    }
    return half_open < kMostHalfOpen ? free : nullptr;
}

std::optional<Reject> Handshakes::answer(const Record& record, noise::Handshake& state, const Now& now,
                                         HelloAnswer& answer) {
    if (!record.source.is_grantable() || record.source_port == 0)
        return Reject::address;
    Session* const session = free_session(record.credential, now.boot);
    if (session == nullptr)
        return Reject::half_open;
    Secret<handshake::Keys> keys;
    Secret<Key> ephemeral;
    Secret<noise::TransportKeys> transport;
    handshake::derive_keys(*keys, keys_[record.credential].handshake);
    randombytes_buf(ephemeral->data(), ephemeral->size());
    const auto packet = handshake::write_answer(
        state, *keys, record.slot, *ephemeral,
        {.clock = std::max(now.wall, WallTime{}), .seen = record.source, .port = record.source_port});
    if (!packet)
        return Reject::box;
    state.split(*transport);
    handshake::derive_request_keys(session->keys, *transport);
    session->transcript = state.transcript();
    answer.gate = gate_keys(session->keys.gate, 0);
    session->tag = answer.gate.tag;
    std::ranges::copy(record.source.bytes, session->peer);
    session->place = answer.place = record.credential;
    session->came = 0;
    answer.packet = *packet;
    session->until = answer.until = count_of(record.arrived + kSessionLife);
    return std::nullopt;
}

Handshakes::Session* Handshakes::find(const wire::Tag& tag, BootTime at) {
    for (Session& s : std::span(sessions_.data(), sessions_.size()))
        if (s.until > count_of(at) && s.tag == tag)
            return &s;
    return nullptr;
}

void Handshakes::remove_credential(std::uint32_t place) {
    for (Session& s : std::span(sessions_.data(), sessions_.size()))
        if (s.place == place)
            wipe(s);
}

} // namespace xk::authz
