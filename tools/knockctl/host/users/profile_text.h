// SPDX-License-Identifier: MIT
//
// Makes the client's profile of a device.
#pragma once

#include "daemon/config/config.h"
#include "protocol/base/result.h"
#include "tools/knockctl/host/users/person.h"
#include "tools/knockctl/host/users/secrets.h"

#include <string>

namespace xk::tools {

// The text of the profile, with the key, and with the secret of factor hmac. The secret of a code is never in it.
// `config` has the user of the device.
Result<WipedText> profile_text(const config::Config& config, const config::UserFile& user,
                               const config::CredentialFile& device, const DeviceSecrets& secrets);

} // namespace xk::tools
