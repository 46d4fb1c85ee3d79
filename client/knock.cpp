// SPDX-License-Identifier: MIT
#include "client/knock.h"

#include "protocol/seal.h"

#include <sys/socket.h>

namespace xk::client {
namespace {

bool names_our_address(NatPolicy nat, const Address& local, const Place& server) {
    return nat == NatPolicy::never || (nat == NatPolicy::automatic && local.is_global() && !server.nat64);
}

} // namespace

Result<Knock> Knock::prepare(const Profile& profile, const RequestSpec& spec, const Place& server) {
    Knock knock(profile, Fd(::socket(server.is_v4() ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0)));
    if (!knock.socket_)
        return os_error("making a UDP socket");
    sockaddr_storage address;
    if (spec.source) {
        const socklen_t size = spec.source->to_sockaddr(address, 0);
        if (::bind(knock.socket_.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0)
            return os_error("using " + spec.source->text() + " as our address");
    }
    // A connected socket shows which of this host's addresses the kernel uses for the server.
    const socklen_t size = server.to_sockaddr(address, profile.port);
    if (::connect(knock.socket_.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0)
        return os_error("no way to " + server.text());
    socklen_t local_size = sizeof address;
    if (::getsockname(knock.socket_.get(), reinterpret_cast<sockaddr*>(&address), &local_size) != 0)
        return os_error("asking for our address");
    knock.server_ = server;
    knock.local_ = Address::of(reinterpret_cast<const sockaddr&>(address));
    if (knock.local_.is_global())
        knock.ours_ = knock.local_;

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
    } else if (names_our_address(profile.nat, knock.local_, server)) {
        // Somebody on the path could replace the packet's source by their own: name the address in the request.
        request.address_mode = AddressMode::bound;
        request.address = knock.local_;
    }
    return knock;
}

void Knock::try_other_mode() {
    if (profile_->nat != NatPolicy::automatic || !ours_ || mode() == AddressMode::delegated)
        return;
    const bool is_bound = mode() == AddressMode::bound;
    request_.address_mode = is_bound ? AddressMode::source : AddressMode::bound;
    request_.address = is_bound ? Address{} : *ours_;
}

void Knock::name_address(const Address& seen) {
    ours_ = request_.address = seen;
    request_.address_mode = AddressMode::bound;
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
    RequestBytes bytes = encode_request(request_);
    const Wiped wiped(bytes);
    const Slot slot = slot_ = slot_of(now.wall);
    const wire::Nonce nonce = hedged_nonce(profile_->keys->nonce, now.wall, bytes);
    if (profile_->factor == FactorKind::hmac) {
        Bytes<32> key;
        const Wiped wiped_key(key);
        std::copy_n(profile_->factor_key->bytes, key.size(), key.begin());
        const wire::Tag tag = slot_tag(profile_->keys->gate, slot);
        const Proof proof = hmac_proof(key, profile_->server_id, tag, nonce, bytes);
        std::copy(proof.begin(), proof.end(), bytes.begin() + wire::kSignedSize);
    }
    packet_ = seal_packet(*profile_->keys, slot, nonce, bytes);
    return send_copy();
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
