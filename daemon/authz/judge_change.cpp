// SPDX-License-Identifier: MIT
// Reloads the judge. Only the keys and tags of changed credentials are derived again.
#include "daemon/authz/judge.h"

#include <algorithm>

namespace xk::authz {
namespace {

template <typename T>
void resize(Secret<T>& secrets, std::size_t count) {
    Secret<T> more(count);
    std::copy_n(secrets.data(), std::min(secrets.size(), count), more.data());
    secrets = std::move(more); // `more` gets the old memory and wipes it
}

} // namespace

void Judge::make_room(std::size_t places) {
    if (keys_.size() < places) {
        resize(keys_, places);
        resize(factors_, places);
    }
    records_.resize(places, nullptr);
}

void Judge::empty(std::uint32_t place) {
    if (place >= keys_.size()) // the place is new
        return;
    for (const auto& [kind, method] : methods_)
        method->remove_credential(place);
    wipe(keys_[place]);
    wipe(factors_[place]);
    legacy_.remove(place);
    records_[place] = nullptr;
}

void Judge::change_policy(PolicyChange change, std::span<const CredentialKeys> keys,
                          std::span<const FactorSecret> factors, const Now& now, const LegacySecrets& legacy) {
    std::vector<std::uint32_t> changed;
    for (const PlacedCredential& placed : change.changed)
        changed.push_back(placed.place);
    for (const std::uint32_t place : change.emptied)
        empty(place);
    for (const std::uint32_t place : changed)
        empty(place);
    make_room(change.places);
    apply(std::move(change), policy_);
    for (std::size_t i = 0; i < changed.size(); ++i) {
        keys_[changed[i]] = keys[i];
        factors_[changed[i]] = factors[i];
        if (const LegacySecret* const secret = legacy.find(static_cast<std::uint32_t>(i)))
            legacy_.add(changed[i]) = *secret;
        for (const auto& [kind, method] : methods_)
            method->add_credential(changed[i]);
    }

    std::vector<wire::CredentialId> in_use;
    for (const Credential& credential : policy_.credentials)
        if (!is_empty_place(credential))
            in_use.push_back(credential.id);
    state_.give_back(in_use, now);
    // A credential that found no room for its record before may get one now.
    for (std::size_t place = 0; place < records_.size(); ++place)
        if (records_[place] == nullptr && !is_empty_place(policy_.credentials[place]))
            records_[place] = state_.credential(policy_.credentials[place].id);
    follow_factors();
}

} // namespace xk::authz
