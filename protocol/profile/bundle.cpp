// SPDX-License-Identifier: MIT
#include "protocol/profile/bundle.h"

#include <algorithm>
#include <span>
#include <vector>

namespace xk {
namespace {

constexpr std::string_view kName = "xknock";
constexpr std::string_view kPrefix = "xknock1:";
constexpr int kVariant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;

// The fields before the box, in this order. Prefix and header are authenticated with it.
constexpr std::size_t kPassesOffset = 0, kMemoryOffset = 4, kSaltOffset = 8;
constexpr std::size_t kSaltSize = crypto_pwhash_argon2id_SALTBYTES;
constexpr std::size_t kNonceOffset = kSaltOffset + kSaltSize;
constexpr std::size_t kNonceSize = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
constexpr std::size_t kHeaderSize = kNonceOffset + kNonceSize;
constexpr std::size_t kTagSize = crypto_aead_xchacha20poly1305_ietf_ABYTES;
constexpr std::size_t kLeastSize = kHeaderSize + 1 + kTagSize;
constexpr std::size_t kMostSize = kHeaderSize + kMaxBundledProfile + kTagSize;
static_assert(kPrefix.size() + sodium_base64_ENCODED_LEN(kMostSize, kVariant) - 1 <= kMaxBundleLine);

using Header = Bytes<kHeaderSize>;
using AuthenticatedData = Bytes<kPrefix.size() + kHeaderSize>;
using BundleKey = Bytes<crypto_aead_xchacha20poly1305_ietf_KEYBYTES>;

bool is_within_limits(const BundleCost& cost) {
    return cost.passes >= kLeastBundleCost.passes && cost.passes <= kMostBundleCost.passes &&
           cost.memory_kib >= kLeastBundleCost.memory_kib && cost.memory_kib <= kMostBundleCost.memory_kib;
}

BundleCost cost_of(const Header& header) {
    return {.passes = load_be<std::uint32_t>(field<kPassesOffset, 4>(std::span(header))),
            .memory_kib = load_be<std::uint32_t>(field<kMemoryOffset, 4>(std::span(header)))};
}

Header header_of(ByteView bundle) {
    Header header;
    std::ranges::copy(bundle.first<kHeaderSize>(), header.begin());
    return header;
}

Header make_header(const BundleCost& cost) {
    Header header;
    store_be(field<kPassesOffset, 4>(std::span(header)), cost.passes);
    store_be(field<kMemoryOffset, 4>(std::span(header)), cost.memory_kib);
    randombytes_buf(header.data() + kSaltOffset, kSaltSize + kNonceSize);
    return header;
}

AuthenticatedData authenticated_data(const Header& header) {
    AuthenticatedData data;
    const auto end = std::ranges::copy(kPrefix, data.begin()).out;
    std::ranges::copy(header, end);
    return data;
}

Result<Secret<BundleKey>> derive_bundle_key(const Header& header, ByteView passphrase) {
    const BundleCost cost = cost_of(header);
    Secret<BundleKey> key;
    if (crypto_pwhash_argon2id(key->data(), key->size(), reinterpret_cast<const char*>(passphrase.data()),
                               passphrase.size(), header.data() + kSaltOffset, cost.passes,
                               std::size_t{cost.memory_kib} * 1024, crypto_pwhash_argon2id_ALG_ARGON2ID13) != 0)
        return Error{"there is not enough memory for the passphrase: " + std::to_string(cost.memory_kib / 1024) +
                         " MiB are needed",
                     "end other programs, or raise the limit of memory (ulimit -v)"};
    return key;
}

Error not_openable() {
    return {"the passphrase is wrong, or the bundle was changed on its way",
            "type the passphrase again; if it is right, ask for a new bundle"};
}

// The bytes behind the prefix.
Result<std::vector<std::uint8_t>> decode_bundle(std::string_view line) {
    if (!is_bundle(line))
        return Error{"this is no bundle", "a bundle is one line that begins with \"xknock1:\""};
    if (!line.starts_with(kPrefix))
        return Error{"this bundle is of a version that this program does not know", "install a newer knock-client"};
    line.remove_prefix(kPrefix.size());
    constexpr const char* kWhole = "copy the whole line, from \"xknock1:\" to its end";
    if (line.size() + 1 > sodium_base64_encoded_len(kMostSize, kVariant))
        return Error{"this bundle is too long", kWhole};
    std::vector<std::uint8_t> out(kMostSize);
    std::size_t size = 0;
    const char* end = nullptr;
    // libsodium 1.0.18 takes bytes beyond ASCII for digits where char is signed.
    const bool ascii = std::ranges::all_of(line, [](char c) { return (static_cast<unsigned char>(c) & 0x80) == 0; });
    if (!ascii ||
        sodium_base642bin(out.data(), out.size(), line.data(), line.size(), nullptr, &size, &end, kVariant) != 0 ||
        end != line.data() + line.size())
        return Error{"this bundle is damaged: it is no base64", kWhole};
    if (size < kLeastSize)
        return Error{"this bundle is not complete", kWhole};
    out.resize(size);
    // Before anything is computed with it: the header is not authentic yet, and may ask for all memory.
    if (!is_within_limits(cost_of(header_of(out))))
        return Error{"this bundle is damaged: to open it would cost more than any bundle of knockctl",
                     "ask for a new bundle"};
    return out;
}

Result<void> check_sealable(ByteView text, ByteView passphrase) {
    if (text.empty() || text.size() > kMaxBundledProfile)
        return Error{"a profile of " + std::to_string(text.size()) + " bytes does not go into a bundle",
                     "a bundle holds 1 to " + std::to_string(kMaxBundledProfile) + " bytes"};
    if (passphrase.size() < kMinBundlePassphrase || passphrase.size() > kMaxBundlePassphrase)
        return Error{"the passphrase has " + std::to_string(passphrase.size()) + " characters",
                     "it needs " + std::to_string(kMinBundlePassphrase) + " to " +
                         std::to_string(kMaxBundlePassphrase) +
                         ": whoever has the bundle can try passphrases without limit",
                     Exit::usage};
    return {};
}

} // namespace

bool is_bundle(std::string_view text) {
    if (!text.starts_with(kName))
        return false;
    text.remove_prefix(kName.size());
    const std::size_t digits = text.find_first_not_of("0123456789");
    return digits != text.npos && digits > 0 && digits < 6 && text[digits] == ':';
}

Result<std::string> seal_bundle(ByteView profile_text, ByteView passphrase, const BundleCost& cost) {
    if (auto sealable = check_sealable(profile_text, passphrase); !sealable)
        return sealable.error();
    if (!is_within_limits(cost))
        return Error{"no bundle may cost that much, or that little", {}};
    const Header header = make_header(cost);
    auto key = derive_bundle_key(header, passphrase);
    if (!key)
        return key.error();
    std::vector<std::uint8_t> out(kHeaderSize + profile_text.size() + kTagSize);
    std::ranges::copy(header, out.begin());
    const AuthenticatedData data = authenticated_data(header);
    crypto_aead_xchacha20poly1305_ietf_encrypt(out.data() + kHeaderSize, nullptr, profile_text.data(),
                                               profile_text.size(), data.data(), data.size(), nullptr,
                                               header.data() + kNonceOffset, (*key)->data());
    std::string text(sodium_base64_encoded_len(out.size(), kVariant), '\0');
    sodium_bin2base64(text.data(), text.size(), out.data(), out.size(), kVariant);
    text.pop_back();
    return std::string(kPrefix) + text;
}

Result<void> check_bundle(std::string_view line) {
    auto bytes = decode_bundle(line);
    return bytes ? Result<void>() : bytes.error();
}

Result<Secret<char>> open_bundle(std::string_view line, ByteView passphrase) {
    auto bytes = decode_bundle(line);
    if (!bytes)
        return bytes.error();
    const Header header = header_of(*bytes);
    if (passphrase.size() > kMaxBundlePassphrase)
        return not_openable();
    auto key = derive_bundle_key(header, passphrase);
    if (!key)
        return key.error();
    const ByteView box = ByteView(*bytes).subspan(kHeaderSize);
    const AuthenticatedData data = authenticated_data(header);
    Secret<char> text(box.size() - kTagSize);
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(reinterpret_cast<unsigned char*>(text.data()), nullptr, nullptr,
                                                   box.data(), box.size(), data.data(), data.size(),
                                                   header.data() + kNonceOffset, (*key)->data()) != 0)
        return not_openable();
    return text;
}

} // namespace xk
