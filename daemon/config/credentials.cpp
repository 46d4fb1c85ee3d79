// SPDX-License-Identifier: MIT
// People: the files of credentials/.
#include "daemon/authz/sequences.h"
#include "daemon/config/people.h"
#include "daemon/config/secrets.h"
#include "protocol/base/quote.h"
#include "protocol/encoding.h"

#include <algorithm>

namespace xk::config {

using yaml::Place;
using yaml::Section;

namespace {

// An old client's device knocks in the mode of its kind alone, and no other device does.
void keep_modes_of_kind(authz::Credential& credential) {
    const auto own = legacy_mode_of(credential.legacy.kind);
    credential.modes &= own.any() ? own : ~kLegacyModes;
}

} // namespace

void People::read_credential(File& file) {
    auto section = open(file);
    if (!section)
        return;
    const CredentialFile device = read_credential_file(*section);
    if (only_ != nullptr && !device.user.empty() && !only_->contains(device.user)) {
        file.is_of_others = true;
        return;
    }
    // A file with other faults claims its name and id too. If two files claim the same, neither gets it.
    claim_device(device, {section->place(), &file});
    if (User* const user = find_user(device, *section, file))
        add_device(file, section->place(), *user, device);
}

void People::claim_device(const CredentialFile& device, const Use& use) {
    if (!all_zero(device.id)) {
        const std::string id = to_hex(device.id);
        claim(credential_ids_, id, "credential id " + id, use);
    }
    if (device.user.empty() || device.device.empty())
        return;
    const std::string label = device.user + "/" + device.device;
    claim(labels_, label, "device " + in_quotes(label), use);
    if (device.name)
        claim(legacy_names_, *device.name, "the capyknock name " + in_quotes(*device.name), use);
}

People::User* People::find_user(const CredentialFile& device, const Section& section, File& file) {
    if (device.user.empty()) // already a fault
        return nullptr;
    const auto user = users_.find(device.user);
    if (user != users_.end())
        return &user->second;
    file.faults.add(section.place_of_value("user"), "there is no user " + in_quotes(device.user),
                    "users are described in " + directory_ + "/users");
    return nullptr;
}

void People::add_device(File& file, const Place& place, User& user, const CredentialFile& device) {
    user.has_credential = true;
    authz::Credential credential = user.rights;
    credential.id = device.id;
    credential.device = authz::Name(device.device);
    credential.factor = device.factor;
    credential.totp_digits = static_cast<std::uint8_t>(device.digits.value_or(6));
    credential.legacy = legacy_of(device);
    keep_modes_of_kind(credential);
    // Ports carry no code, so a device that needs one cannot knock by them.
    if (credential.factor != FactorKind::none)
        credential.modes.reset(static_cast<std::size_t>(authz::KnockMode::sequence));
    // c-lock's ports follow from a code of six digits.
    if (!authz::can_use_c_lock(credential))
        credential.modes.reset(static_cast<std::size_t>(authz::KnockMode::c_lock));
    user.has_c_lock |= credential.has_mode(authz::KnockMode::c_lock);
    user.has_legacy |= credential.modes & kLegacyModes;
    user.has_sequence |= credential.has_mode(authz::KnockMode::sequence);
    credential.enabled = credential.enabled && device.enabled;
    // A device may have narrower dates than its user: after a rotation the old key expires by itself.
    credential.valid_from = std::max(credential.valid_from, device.valid_from.value_or(WallTime::min()));
    credential.valid_until = std::min(credential.valid_until, device.valid_until.value_or(WallTime::max()));
    if (others_ + devices_.size() == authz::kMaxCredentials)
        return file.faults.add(place, "there are more than " + std::to_string(authz::kMaxCredentials) + " credentials");
    const std::string stem = device.secrets ? file.path.substr(0, file.path.rfind('/') + 1) + *device.secrets
                                            : file.path.substr(0, file.path.size() - std::string_view(".yaml").size());
    const SecretFiles secrets{stem + ".key", device.factor == FactorKind::none ? "" : stem + ".otp", file.path};
    // Whoever changes one device's secrets must not change another one's.
    claim(secrets_, secrets.key, "the secret " + in_quotes(secrets.key), {place, &file});
    check_secrets(secrets, file.faults);
    if (user.file->is_good()) // a user's fault takes out the devices too, without a fault of their files
        devices_.push_back({&file, credential, secrets});
}

void People::check_secrets(const SecretFiles& secrets, yaml::Faults& faults) {
    if (!has_accounts_) // without the daemon's group no check and no hint would be right
        return;
    for (const std::string& path : {secrets.key, secrets.factor}) {
        if (path.empty())
            continue;
        if (const auto fd = open_secret(config_, path, &checked_directories_); !fd)
            add_file_fault(faults, path, fd.error());
    }
}

} // namespace xk::config
