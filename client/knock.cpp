// SPDX-License-Identifier: MIT
#include "client/knock.h"

#include "protocol/seal.h"

#include <sys/socket.h>

namespace xk::client {
namespace {

bool names_our_address(NatPolicy nat, const Address& local, const Place& server) {
    return nat == NatPolicy::never || (nat == NatPolicy::automatic && local.is_global() && !server.nat64);
}

// A connected socket shows which of this host's addresses the kernel uses for the server.
Result<Fd> connected_socket(const std::optional<Address>& source, const Place& server, std::uint16_t port) {
    Fd socket(::socket(server.is_v4() ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket)
        return os_error("making a UDP socket");
    sockaddr_storage address;
    if (source) {
        const socklen_t size = source->to_sockaddr(address, 0);
        if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0)
            return os_error("using " + source->text() + " as our address");
    }
    const socklen_t size = server.to_sockaddr(address, port);
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0)
        return os_error("no way to " + server.text());
    return socket;
}

Result<Address> local_address(const Fd& socket) {
    sockaddr_storage address;
    socklen_t size = sizeof address;
    if (::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
        return os_error("asking for our address");
    return Address::of(reinterpret_cast<const sockaddr&>(address));
}

} // namespace

Result<Knock> Knock::prepare(const Profile& profile, const RequestSpec& spec, const Place& server) {
    auto socket = connected_socket(spec.source, server, profile.port);
    if (!socket)
        return socket.error();
    auto local = local_address(*socket);
    if (!local)
        return local.error();
    Knock knock(profile, *std::move(socket), server);
    knock.source_ = spec.source;
    Request& request = knock.request_;
    request.action = spec.action;
    request.factor = profile.factor;
    request.service = spec.service;
    request.endpoint = spec.endpoint;
    request.target = spec.target;
    request.single_use = spec.single_use;
    request.lifetime = spec.lifetime != 0 ? spec.lifetime : profile.lifetime;
    if (spec.id)
        request.id = *spec.id;
    else
        randombytes_buf(request.id.data(), request.id.size());
    if (spec.for_address) {
        request.address_mode = AddressMode::delegated;
        request.address = *spec.for_address;
    }
    knock.come_from(*local);
    return knock;
}

void Knock::come_from(const Address& local) {
    local_ = local;
    ours_ = local.is_global() ? std::optional(local) : std::nullopt;
    if (mode() == AddressMode::delegated)
        return;
    // Somebody on the path could replace the packet's source by their own: name the address in the request.
    const bool is_named = names_our_address(profile_->nat, local, server_);
    request_.address_mode = is_named ? AddressMode::bound : AddressMode::source;
    request_.address = is_named ? local : Address{};
}

Result<bool> Knock::follow_address() {
    auto socket = connected_socket(source_, server_, profile_->port);
    if (!socket)
        return socket.error();
    const auto local = local_address(*socket);
    if (!local)
        return local.error();
    if (*local == local_)
        return false;
    socket_ = *std::move(socket);
    if (greeting_)
        greeting_->begin_anew();
    come_from(*local);
    return true;
}

void Knock::begin_anew() {
    if (!has_codes(profile_->factor))
        randombytes_buf(request_.id.data(), request_.id.size());
}

void Knock::try_other_mode() {
    if (greeting_ || profile_->nat != NatPolicy::automatic || !ours_ || mode() == AddressMode::delegated)
        return;
    const bool is_bound = mode() == AddressMode::bound;
    request_.address_mode = is_bound ? AddressMode::source : AddressMode::bound;
    request_.address = is_bound ? Address{} : *ours_;
}

void Knock::name_address(const Address& seen) {
    ours_ = request_.address = seen;
    request_.address_mode = AddressMode::bound;
}

Result<bool> Knock::greet(Greeting::Clock::time_point deadline, const Wait& wait,
                          const std::function<void(handshake::Number)>& sent) {
    auto answered = needs_greeting() ? greeting_->run(socket_.get(), deadline, wait, sent) : true;
    return answered ? answered : std::move(answered.error()).within(server_.text());
}

Result<void> Knock::send(const std::string& code) {
    if (!greeting_) {
        const WallTime now = Now::read().wall;
        auto sealed = seal(code, *profile_->keys, now, slot_of(now));
        return sealed ? send_copy() : sealed;
    }
    if (needs_greeting())
        return Error{"no answer from " + server_.text(), {}};
    // The server says which address it sees. Somebody on the path who passes all packets on from an address of his own
    // would be that address, so a client that knows of no NAT accepts none but its own.
    const Address seen = greeting_->answer().seen;
    if (mode() != AddressMode::delegated && profile_->nat == NatPolicy::never && seen != local_)
        return Error{"the server sees " + seen.text() + " and not " + local_.text() +
                         ": somebody translates the address, and the profile says \"nat: never\"",
                     {}};
    if (mode() != AddressMode::delegated)
        name_address(seen);
    if (auto sealed = seal(code, greeting_->request_keys(), greeting_->server_clock(), 0); !sealed)
        return sealed;
    greeting_->begin_anew(); // a handshake is for one request
    return send_copy();
}

Proof Knock::hmac_proof_of(const wire::Tag& tag, const wire::Nonce& nonce, const RequestBytes& bytes) const {
    Bytes<32> key;
    const Wiped wiped_key(key);
    std::copy_n(profile_->factor_key->bytes, key.size(), key.begin());
    if (!greeting_)
        return hmac_proof(key, profile_->server_id, tag, nonce, bytes);
    return hmac_proof(key, handshake::signed_message(profile_->server_id, greeting_->transcript(), tag, nonce, bytes));
}

Result<void> Knock::seal(const std::string& code, const CredentialKeys& keys, WallTime clock, Slot slot) {
    request_.clock = clock;
    request_.proof = {};
    if (has_codes(profile_->factor)) {
        const auto proof = profile_->proof_of(code);
        if (!proof)
            return Error{"a code has " + std::to_string(profile_->digits) + " digits", {}};
        request_.proof = *proof;
    }
    RequestBytes bytes = encode_request(request_);
    const Wiped wiped(bytes);
    slot_ = slot;
    const wire::Nonce nonce = hedged_nonce(keys.nonce, clock, bytes);
    if (profile_->factor == FactorKind::hmac) {
        const Proof proof = hmac_proof_of(slot_tag(keys.gate, slot), nonce, bytes);
        std::copy(proof.begin(), proof.end(), bytes.begin() + wire::kSignedSize);
    }
    packet_ = seal_packet(keys, slot, nonce, bytes);
    return {};
}

Result<void> Knock::send_copy() {
    // ECONNREFUSED speaks of an earlier packet: the server's knock port answers as closed.
    for (int i = 0; i < 3; ++i)
        if (::send(socket_.get(), packet_.data(), packet_.size(), 0) >= 0)
            return {};
        else if (errno != ECONNREFUSED && errno != EINTR)
            break;
    return os_error("knocking at " + server_.text());
}

} // namespace xk::client
