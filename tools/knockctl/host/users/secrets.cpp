// SPDX-License-Identifier: MIT
#include "tools/knockctl/host/users/secrets.h"

#include "daemon/config/secret_file.h"
#include "daemon/config/secret_text.h"
#include "daemon/config/secrets.h"
#include "protocol/base/quote.h"
#include "protocol/encoding.h"
#include "protocol/otp.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace xk::tools {
namespace {

const Error kNoCode{"there is no code's secret in it",
                    "one line is expected: 20 to 64 bytes in base32, as in credentials/USER.DEVICE.otp, or the "
                    "authenticator's URI otpauth://totp/...",
                    Exit::usage};

// The value of "secret=" in a URI; the text itself where it is none.
std::string_view base32_in(std::string_view text) {
    constexpr std::string_view kScheme = "otpauth://totp/", kKey = "secret=";
    if (!text.starts_with(kScheme))
        return text;
    for (auto at = text.find('?'); at != text.npos; at = text.find('&', at + 1))
        if (const auto parameter = text.substr(at + 1); parameter.starts_with(kKey))
            return parameter.substr(kKey.size(), parameter.find('&') - kKey.size());
    return {};
}

Result<Secret<FactorKey>> read_code(const Fd& fd, const std::string& name) {
    Secret<config::SecretText> text;
    const std::string_view line = base32_in(config::read_text(fd, text));
    Secret<FactorKey> secret;
    secret->size = static_cast<std::uint32_t>(from_base32(line, secret->bytes));
    if (secret->size < kMinTotpSecret || all_zero(secret->bytes))
        return Error(kNoCode).within(name);
    return secret;
}

} // namespace

void make_key(DeviceSecrets& secrets) { randombytes_buf(secrets.key->data(), secrets.key->size()); }

void make_factor(DeviceSecrets& secrets, FactorKind kind) {
    secrets.factor->size = kind == FactorKind::none ? 0 : has_codes(kind) ? std::uint32_t{kMinTotpSecret} : 32;
    randombytes_buf(secrets.factor->bytes, secrets.factor->size);
}

Result<DeviceSecrets> read_secrets(const config::Config& config, const DeviceFiles& device) {
    if (device.file.kind != authz::DeviceKind::xknock)
        return Error{in_quotes(device.label()) + " is a device of an old client, and has no profile of ours",
                     "its keys are in " + device.key};
    DeviceSecrets secrets;
    const auto key = config::open_secret(config, device.key, nullptr);
    if (!key)
        return key.error();
    if (!config::read_key_file(*key, *secrets.key))
        return Error{in_quotes(device.key) + " is not a key", "knockctl user rotate " + device.label(),
                     Exit::configuration};
    if (device.factor.empty())
        return secrets;
    const auto fd = config::open_secret(config, device.factor, nullptr);
    if (!fd)
        return fd.error();
    Secret<authz::FactorSecret> factor;
    if (!config::read_factor_file(*fd, device.file.factor, *factor))
        return Error{in_quotes(device.factor) + " is not a second factor's secret",
                     "knockctl user rotate " + device.label(), Exit::configuration};
    secrets.factor->size = factor->size;
    std::memcpy(secrets.factor->bytes, factor->bytes, factor->size);
    return secrets;
}

Result<SharedCode> read_shared_code(const config::Config& config, const std::string& directory,
                                    const std::string& from) {
    if (from == "-") {
        const Fd copy(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3));
        auto secret = read_code(copy, "standard input");
        return secret ? Result(SharedCode{*std::move(secret), {}}) : Result<SharedCode>(secret.error());
    }
    const Fd file(::open(from.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (const auto who = parse_who(from); !file && who && who->device) {
        const auto person = find_person(directory, *who, Devices::usual);
        if (!person)
            return person.error();
        auto device = only_device(*person, *who);
        if (!device)
            return device.error();
        if (device->file.factor != FactorKind::totp)
            return Error{in_quotes(from) + " has no code by time: its factor is " +
                             std::string(name_of(device->file.factor)),
                         "only the secret of a code by time (totp) can serve two servers", Exit::usage};
        auto secrets = read_secrets(config, *device);
        if (!secrets)
            return secrets.error();
        return SharedCode{std::move(secrets->factor), *std::move(device)};
    }
    if (!file)
        return os_error("opening " + in_quotes(from), "--same-code-as names a file, USER/DEVICE of this host, or -");
    auto secret = read_code(file, in_quotes(from));
    return secret ? Result(SharedCode{*std::move(secret), {}}) : Result<SharedCode>(secret.error());
}

WipedText key_text(const DeviceSecrets& secrets) {
    WipedText text = WipedText::from(to_base64(*secrets.key));
    text += "\n";
    return text;
}

WipedText factor_text(const DeviceSecrets& secrets, FactorKind kind) {
    WipedText text =
        WipedText::from(has_codes(kind) ? to_base32(secrets.factor_bytes()) : to_base64(secrets.factor_bytes()));
    text += "\n";
    return text;
}

} // namespace xk::tools
