// SPDX-License-Identifier: MIT
#include "daemon/doors.h"

#include "daemon/nft/fence.h"

#include <algorithm>

namespace xk {
namespace {

using gate::Answer;
using gate::DoorChange;
using gate::Holder;
using std::chrono::milliseconds;

// An element's private data: for each holder the credential's id and the end of its time (boot time, ns,
// big-endian).
constexpr std::size_t kHolderSize = wire::kCredentialIdSize + 8;
static_assert(kHolderSize * gate::kMaxHolders <= nft::kMaxData);

std::vector<std::uint8_t> encode(const std::vector<Holder>& holders) {
    std::vector<std::uint8_t> data;
    for (const Holder& holder : holders) {
        data.insert(data.end(), holder.credential.begin(), holder.credential.end());
        Bytes<8> until;
        store_be<std::uint64_t>(until, static_cast<std::uint64_t>(holder.until.time_since_epoch().count()));
        data.insert(data.end(), until.begin(), until.end());
    }
    return data;
}

std::vector<Holder> decode(const std::vector<std::uint8_t>& data) {
    std::vector<Holder> holders;
    if (data.size() % kHolderSize != 0)
        return holders;
    for (std::size_t at = 0; at < data.size(); at += kHolderSize) {
        Holder holder;
        std::copy_n(data.begin() + static_cast<std::ptrdiff_t>(at), holder.credential.size(),
                    holder.credential.begin());
        Bytes<8> until;
        std::copy_n(data.begin() + static_cast<std::ptrdiff_t>(at + holder.credential.size()), until.size(),
                    until.begin());
        holder.until =
            BootTime(std::chrono::nanoseconds(static_cast<std::int64_t>(load_be<std::uint64_t>(until))));
        holders.push_back(holder);
    }
    return holders;
}

} // namespace

Doors::Doors(nft::Socket& socket, const config::Config& config) : socket_(socket), config_(&config) {}

Result<void> Doors::reconfigure(const config::Config& config) {
    config_ = &config;
    return apply(book_.plan_keep(config.policy), Now::read());
}

nft::SetName Doors::set_of(const Address& address) const {
    if (config_->gate_mode == config::GateMode::table)
        return nft::grants_set(address.is_v4());
    return {config_->external.table, address.is_v4() ? config_->external.set4 : config_->external.set6};
}

std::string Doors::comment_of(const std::vector<Holder>& holders) const {
    std::string comment;
    for (const Holder& holder : holders) {
        const auto index = config_->policy.find_credential(holder.credential);
        const std::string label = index                                ? config_->policy.credentials[*index].label()
                                  : holder.credential == gate::kOperator ? "operator"
                                                                         : "unknown";
        if (comment.size() + label.size() + 6 > nft::kMaxComment)
            return comment + ", ...";
        comment += (comment.empty() ? "" : ", ") + label;
    }
    return comment;
}

Result<void> Doors::adopt(const Now& now) {
    for (const Address& family : {Address::v4(0, 0, 0, 0), Address{}}) {
        auto elements = nft::list_elements(socket_, set_of(family));
        if (!elements)
            return elements.error();
        for (const nft::Element& element : *elements) {
            const auto key = nft::parse_grant_key(element.key);
            std::vector<Holder> holders = decode(element.data);
            if (!key || holders.empty())
                continue; // not one of ours
            // The earlier end counts: after a sleep ours, and never a longer one than the kernel would have given.
            const BootTime end = now.boot + element.expires;
            for (Holder& holder : holders)
                holder.until = std::min(holder.until, end);
            book_.enter({{{key->source, key->endpoint}, holders}});
        }
    }
    return restore(now);
}

void Doors::write(nft::Transaction& transaction, const Now& now) {
    std::vector<DoorChange> changes;
    for (const auto& [door, holders] : book_.all()) {
        DoorChange change{door, holders};
        std::erase_if(change.holders, [&](const Holder& h) { return h.until <= now.boot; });
        changes.push_back(std::move(change));
    }
    write(transaction, changes, now);
    book_.expire(now.boot);
}

Result<void> Doors::restore(const Now& now) {
    nft::Transaction transaction;
    write(transaction, now);
    return socket_.commit(std::move(transaction));
}

Result<std::size_t> Doors::forget_missing() {
    std::set<gate::Door> there;
    for (const Address& family : {Address::v4(0, 0, 0, 0), Address{}}) {
        auto elements = nft::list_elements(socket_, set_of(family));
        if (!elements)
            return elements.error();
        for (const nft::Element& element : *elements)
            if (const auto key = nft::parse_grant_key(element.key))
                there.insert({key->source, key->endpoint});
    }
    std::vector<DoorChange> gone;
    for (const auto& [door, holders] : book_.all())
        if (there.count(door) == 0)
            gone.push_back({door, {}});
    book_.enter(gone);
    return gone.size();
}

Result<void> Doors::apply(const std::vector<DoorChange>& changes, const Now& now) {
    nft::Transaction transaction;
    write(transaction, changes, now);
    if (auto done = socket_.commit(std::move(transaction)); !done)
        return done;
    book_.enter(changes);
    return {};
}

void Doors::write(nft::Transaction& transaction, const std::vector<DoorChange>& changes, const Now& now) const {
    for (const DoorChange& change : changes) {
        const nft::SetName set = set_of(change.door.address);
        nft::Element element;
        element.key = nft::grant_key(change.door.address, change.door.endpoint);
        if (change.holders.empty()) {
            nft::remove_element(transaction, set, element.key);
            continue;
        }
        const auto left = std::chrono::ceil<milliseconds>(change.until() - now.boot);
        element.timeout = std::max(left, milliseconds(1));
        element.comment = comment_of(change.holders);
        element.data = encode(change.holders);
        nft::put_element(transaction, set, element);
    }
}

Doors::Done Doors::open(const gate::DoorRequest& request, const gate::BanList& bans,
                        const std::set<Address>& own_addresses, const Now& now) {
    book_.expire(now.boot);
    const gate::Permit permit = gate::permit_open(
        request, {config_->policy, book_, bans, own_addresses, config_->max_grants}, now);
    const bool known = request.credential < config_->policy.credentials.size();
    return carry_out(permit, known ? config_->policy.credentials[request.credential].id : wire::CredentialId{}, now);
}

Doors::Done Doors::open_by_operator(const gate::DoorRequest& request, const gate::BanList& bans,
                                    const std::set<Address>& own_addresses, const Now& now) {
    book_.expire(now.boot);
    const gate::Permit permit = gate::permit_operator(
        request, {config_->policy, book_, bans, own_addresses, config_->max_grants}, now);
    return carry_out(permit, gate::kOperator, now);
}

Doors::Done Doors::carry_out(const gate::Permit& permit, const wire::CredentialId& credential, const Now& now) {
    Done done{permit.answer, std::string(permit.service), permit.doors, permit.lifetime, {}};
    if (permit.answer != Answer::done)
        return done;
    std::vector<DoorChange> changes;
    for (const gate::Door& door : permit.doors)
        changes.push_back(book_.plan_open(door, credential, now.boot + permit.lifetime));
    if (auto applied = apply(changes, now); !applied) {
        done.answer = Answer::failed;
        done.error = applied.error();
    }
    return done;
}

Doors::Done Doors::apply_closing(const std::vector<DoorChange>& changes, const Now& now) {
    Done done{Answer::done, {}, {}, {}, {}};
    for (const DoorChange& change : changes)
        done.doors.push_back(change.door);
    if (auto applied = apply(changes, now); !applied) {
        done.answer = Answer::failed;
        done.error = applied.error();
    }
    return done;
}

Doors::Done Doors::close(const gate::DoorRequest& request, const Now& now) {
    book_.expire(now.boot);
    const gate::Permit permit = gate::permit_close(request, config_->policy);
    if (permit.answer != Answer::done)
        return {permit.answer, {}, {}, {}, {}};
    const wire::CredentialId& credential = config_->policy.credentials[request.credential].id;
    std::vector<DoorChange> changes;
    for (const gate::Door& door : permit.doors)
        for (DoorChange& change : book_.plan_close(door, credential))
            changes.push_back(std::move(change));
    Done done = apply_closing(changes, now);
    done.service = permit.service;
    return done;
}

Doors::Done Doors::close_all(std::uint32_t credential, const Now& now) {
    book_.expire(now.boot);
    if (credential >= config_->policy.credentials.size())
        return {Answer::refused, {}, {}, {}, {}};
    return apply_closing(book_.plan_close_all(config_->policy.credentials[credential].id), now);
}

Result<std::size_t> Doors::close_prefix(const Prefix& prefix, const Now& now) {
    book_.expire(now.boot);
    const auto changes = book_.plan_close(prefix);
    if (auto applied = apply(changes, now); !applied)
        return applied.error();
    return changes.size();
}

Result<std::size_t> Doors::close_banned(const gate::BanList& bans, const Now& now) {
    book_.expire(now.boot);
    std::vector<DoorChange> changes;
    for (const auto& [door, holders] : book_.all())
        if (bans.is_banned(door.address, now.boot))
            changes.push_back({door, {}});
    if (auto applied = apply(changes, now); !applied)
        return applied.error();
    return changes.size();
}

Result<std::size_t> Doors::close_credentials(const std::vector<wire::CredentialId>& credentials,
                                             const Now& now) {
    book_.expire(now.boot);
    std::size_t closed = 0;
    for (const wire::CredentialId& credential : credentials) {
        const auto changes = book_.plan_close_all(credential);
        if (auto applied = apply(changes, now); !applied)
            return applied.error();
        closed += changes.size();
    }
    return closed;
}

} // namespace xk
