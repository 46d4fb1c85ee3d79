// SPDX-License-Identifier: MIT
//
// Key and factor files: what is accepted is the text form of exactly these bytes and nothing else.
#include "daemon/config/secret_file.h"
#include "fuzz.h"
#include "protocol/encoding.h"

#include <sys/mman.h>

using namespace xk;
using namespace xk::fuzz;

namespace {

const Fd& file_with(ByteView content) {
    static const Fd file(::memfd_create("secret", MFD_CLOEXEC));
    FUZZ_CHECK(::ftruncate(file.get(), 0) == 0);
    FUZZ_CHECK(::pwrite(file.get(), content.data(), content.size(), 0) == static_cast<ssize_t>(content.size()));
    FUZZ_CHECK(::lseek(file.get(), 0, SEEK_SET) == 0);
    return file;
}

std::string_view without_end(std::string_view text) { return text.substr(0, text.find_last_not_of(" \t\r\n") + 1); }

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view line = without_end(text_of({data, size}));

    Key key{};
    const bool is_key = config::read_key_file(file_with({data, size}), key);
    if (is_key)
        FUZZ_CHECK(to_base64(key) == line);

    authz::FactorSecret hmac{};
    const bool is_hmac = config::read_factor_file(file_with({data, size}), FactorKind::hmac, hmac);
    FUZZ_CHECK(is_hmac == is_key);
    if (is_hmac)
        FUZZ_CHECK(hmac.size == 32 && std::equal(key.begin(), key.end(), hmac.bytes));

    authz::FactorSecret totp{};
    if (config::read_factor_file(file_with({data, size}), FactorKind::totp, totp)) {
        FUZZ_CHECK(totp.size >= kMinTotpSecret && totp.size <= kMaxTotpSecret);
        // The canonical text of what was read is read as the same.
        const std::string canonical = to_base32({totp.bytes, totp.size}) + "\r\n";
        const ByteView bytes{reinterpret_cast<const std::uint8_t*>(canonical.data()), canonical.size()};
        authz::FactorSecret again{};
        FUZZ_CHECK(config::read_factor_file(file_with(bytes), FactorKind::totp, again));
        FUZZ_CHECK(again.size == totp.size && std::equal(totp.bytes, totp.bytes + totp.size, again.bytes));
    }
    return 0;
}
