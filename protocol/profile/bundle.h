// SPDX-License-Identifier: MIT
//
// A bundle: a profile as one line of text, sealed by a passphrase, to be sent to its user (docs/protocol.md, "The
// bundle"). Argon2id derives the key, so that guesses are dear; XChaCha20-Poly1305 seals. A bundle may come from
// anybody: what it may cost to open one has a limit.
#pragma once

#include "protocol/base/bytes.h"
#include "protocol/base/result.h"
#include "protocol/secret.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace xk {

// What a guess of the passphrase costs. It stands in each bundle, so a later release can raise it.
struct BundleCost {
    std::uint32_t passes = 3;              // over the memory
    std::uint32_t memory_kib = 64U * 1024; // RFC 9106 section 4 recommends both for machines with little memory
};
inline constexpr BundleCost kLeastBundleCost{1, 8}; // what Argon2id can do
inline constexpr BundleCost kMostBundleCost{10, 256U * 1024};

inline constexpr std::size_t kMaxBundledProfile = 16U * 1024; // bytes of the profile's text
inline constexpr std::size_t kMinBundlePassphrase = 12;       // bytes; whoever has the line can guess without limit
inline constexpr std::size_t kMaxBundlePassphrase = 1024;
inline constexpr std::size_t kMaxBundleLine = 22U * 1024; // no bundle is longer

// Whether the text means to be a bundle, of whatever version.
bool is_bundle(std::string_view text);

// "xknock1:..." without a newline. An error where the profile is empty or too long, the passphrase too short or too
// long, or memory is missing. The caller wipes both arguments.
Result<std::string> seal_bundle(ByteView profile_text, ByteView passphrase, const BundleCost& cost = {});

// What can be said of a bundle without its passphrase: the errors of open_bundle() but for the last two.
Result<void> check_bundle(std::string_view line);

// The profile's text. One message for a wrong passphrase and for a changed bundle, because nobody can tell them apart;
// messages of their own for a text that is no bundle, another version, a wrong length, and a cost beyond the limits.
// None repeats a part of the bundle.
Result<Secret<char>> open_bundle(std::string_view line, ByteView passphrase);

} // namespace xk
