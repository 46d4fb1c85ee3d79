// SPDX-License-Identifier: MIT
#include "daemon/grants/grant_element.h"

#include "daemon/nft/element.h"

#include <algorithm>

namespace xk {
namespace {

using authz::Holder;

constexpr std::size_t kHolderSize = wire::kCredentialIdSize + 8;
static_assert(kHolderSize * authz::kMaxHolders <= nft::kMaxData);

} // namespace

std::vector<std::uint8_t> encode_holders(const std::vector<Holder>& holders) {
    std::vector<std::uint8_t> data;
    for (const Holder& holder : holders) {
        data.insert(data.end(), holder.credential.begin(), holder.credential.end());
        Bytes<8> until;
        store_be<std::uint64_t>(until, static_cast<std::uint64_t>(holder.until.time_since_epoch().count()));
        data.insert(data.end(), until.begin(), until.end());
    }
    return data;
}

std::vector<Holder> decode_holders(const std::vector<std::uint8_t>& data) {
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
        holder.until = BootTime(std::chrono::nanoseconds(static_cast<std::int64_t>(load_be<std::uint64_t>(until))));
        holders.push_back(holder);
    }
    return holders;
}

} // namespace xk
