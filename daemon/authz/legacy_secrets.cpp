// SPDX-License-Identifier: MIT
#include "daemon/authz/legacy_secrets.h"

#include <algorithm>

namespace xk::authz {

const LegacySecret* LegacySecrets::find(std::uint32_t number) const {
    const auto found = index_.find(number);
    return found == index_.end() ? nullptr : &secrets_[found->second];
}

LegacySecret& LegacySecrets::add(std::uint32_t number) {
    remove(number);
    if (free_.empty()) {
        const auto before = static_cast<std::uint32_t>(secrets_.size());
        Secret<LegacySecret> more(std::max<std::size_t>(16, 2 * secrets_.size()));
        std::copy_n(secrets_.data(), before, more.data());
        secrets_ = std::move(more); // `more` gets the old memory and wipes it
        for (auto i = static_cast<std::uint32_t>(secrets_.size()); i-- > before;)
            free_.push_back(i);
    }
    const std::uint32_t at = free_.back();
    free_.pop_back();
    index_.emplace(number, at);
    return secrets_[at];
}

void LegacySecrets::remove(std::uint32_t number) {
    const auto found = index_.find(number);
    if (found == index_.end())
        return;
    wipe(secrets_[found->second]);
    free_.push_back(found->second);
    index_.erase(found);
}

} // namespace xk::authz
