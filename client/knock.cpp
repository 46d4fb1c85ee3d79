// SPDX-License-Identifier: MIT
#include "client/knock.h"

#include "protocol/seal.h"

#include <sys/socket.h>

namespace xk::client {

Result<Knock> Knock::prepare(const Profile& profile, const Wish& wish, const Address& server) {
    Knock knock(profile, Fd(::socket(server.is_v4() ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0)));
    if (!knock.socket_)
        return os_error("making a UDP socket");
    sockaddr_storage address;
    if (wish.source) {
        const socklen_t size = wish.source->to_sockaddr(address, 0);
        if (::bind(knock.socket_.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0)
            return os_error("using " + wish.source->text() + " as our address");
    }
    // Connected, so that the kernel says which of our addresses it uses for this server.
    const socklen_t size = server.to_sockaddr(address, profile.port);
    if (::connect(knock.socket_.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0)
        return os_error("no way to " + server.text());
    socklen_t local_size = sizeof address;
    if (::getsockname(knock.socket_.get(), reinterpret_cast<sockaddr*>(&address), &local_size) != 0)
        return os_error("asking for our address");
    knock.server_ = server;
    knock.local_ = Address::of(reinterpret_cast<const sockaddr&>(address));

    Request& request = knock.request_;
    request.action = wish.action;
    request.factor = profile.factor;
    request.service = wish.service;
    request.endpoint = wish.endpoint;
    request.target = wish.target;
    request.single_use = wish.single;
    request.lifetime = wish.lifetime != 0 ? wish.lifetime : profile.lifetime;
    randombytes_buf(request.id.data(), request.id.size());
    if (wish.for_address) {
        request.address_mode = AddressMode::delegated;
        request.address = *wish.for_address;
    } else if (knock.local_.is_global() || !profile.nat) {
        // Nobody between us may put his own address in the place of ours.
        request.address_mode = AddressMode::bound;
        request.address = knock.local_;
    }
    return knock;
}

Result<void> Knock::send(const std::string& code) {
    const Now now = Now::read();
    request_.clock = now.wall;
    request_.proof = {};
    if (profile_->factor == FactorKind::totp) {
        const auto proof = totp_proof(code, profile_->digits);
        if (!proof)
            return Error{"a code has " + std::to_string(profile_->digits) + " digits", {}};
        request_.proof = *proof;
    }
    RequestBytes bytes = encode(request_);
    const Wiped wiped(bytes);
    const Slot slot = slot_of(now.wall);
    const wire::Nonce nonce = hedged_nonce(profile_->keys->nonce, now.wall, bytes);
    if (profile_->factor == FactorKind::hmac) {
        Bytes<32> key;
        const Wiped wiped_key(key);
        std::copy_n(profile_->factor_key->bytes, key.size(), key.begin());
        const wire::Tag tag = gate_keys(profile_->keys->gate, slot).tag;
        const Proof proof = hmac_proof(key, profile_->server_id, tag, nonce, bytes);
        std::copy(proof.begin(), proof.end(), bytes.begin() + wire::kSignedSize);
    }
    packet_ = seal(*profile_->keys, slot, nonce, bytes);
    return send_copy();
}

Result<void> Knock::send_copy() {
    // ECONNREFUSED is about an earlier packet: the port of a server that answers as closed.
    for (int i = 0; i < 3; ++i)
        if (::send(socket_.get(), packet_.data(), packet_.size(), 0) >= 0)
            return {};
        else if (errno != ECONNREFUSED && errno != EINTR)
            break;
    return os_error("knocking at " + server_.text());
}

} // namespace xk::client
