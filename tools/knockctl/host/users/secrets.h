// SPDX-License-Identifier: MIT
//
// The secrets of a device: made here, read from its files for a profile or a QR code, and as the text of a file.
#pragma once

#include "daemon/config/config.h"
#include "protocol/profile/profile_file.h"
#include "protocol/secret.h"
#include "tools/knockctl/host/users/person.h"
#include "tools/knockctl/host/users/wiped_text.h"

#include <optional>
#include <string>

namespace xk::tools {

struct DeviceSecrets {
    Secret<Key> key;
    Secret<FactorKey> factor; // size 0: none

    ByteView factor_bytes() const { return std::span(factor->bytes).first(factor->size); }
};

template <std::size_t N>
Bytes<N> random_bytes() {
    Bytes<N> bytes;
    randombytes_buf(bytes.data(), bytes.size());
    return bytes;
}

void make_key(DeviceSecrets& secrets);
void make_factor(DeviceSecrets& secrets, FactorKind kind);

// Reads both, with all checks of owner and mode. Devices of old clients have none that a profile could hold.
Result<DeviceSecrets> read_secrets(const config::Config& config, const DeviceFiles& device);

// The secret of a code that another device has: of USER/DEVICE here, of a file, or of standard input (-), as base32 or
// as the URI for an authenticator. `other`: the device, where it is one of this host.
struct SharedCode {
    Secret<FactorKey> secret;
    std::optional<DeviceFiles> other;
};
Result<SharedCode> read_shared_code(const config::Config& config, const std::string& directory,
                                    const std::string& from);

// The content of a .key and of an .otp.
WipedText key_text(const DeviceSecrets& secrets);
WipedText factor_text(const DeviceSecrets& secrets, FactorKind kind);

} // namespace xk::tools
