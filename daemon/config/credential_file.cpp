// SPDX-License-Identifier: MIT
#include "daemon/config/credential_file.h"

#include "daemon/config/forms.h"
#include "protocol/encoding.h"
#include "protocol/otp.h"

#include <algorithm>

namespace xk::config {
namespace {

using yaml::Form;
using yaml::Style;

Result<wire::CredentialId> parse_credential_id(std::string_view text) {
    const auto id = from_hex<wire::kCredentialIdSize>(text);
    if (!id || all_zero(*id) || *id == authz::kOperator)
        return Error{in_quotes(text) + " is not a credential's id",
                     "16 hexadecimal digits, not all zero and not all f"};
    return *id;
}

Result<std::string> parse_stem(std::string_view text) {
    if (is_stem(text))
        return std::string(text);
    return Error{in_quotes(text) + " is not the name of a credential's files",
                 "1 to 100 letters, digits, \"-\", \"_\" or \".\", the first a letter or digit"};
}
constexpr Form kStem{parse_stem, [](const std::string& stem) { return stem; }, Style::text};

// Only the profile has it, whose reader knows more of hosts.
Result<std::string> parse_host(std::string_view text) {
    if (text.empty() || text.size() > 255 || printable(text, text.size()) != text ||
        text.find_first_of("\"\\ ") != text.npos)
        return Error{in_quotes(text) + " is not a host", "write a name or an address"};
    return std::string(text);
}
constexpr Form kHost{parse_host, [](const std::string& host) { return host; }, Style::text};

// A value of an enum whose names are in a table, in the order of its numbers.
template <typename Enum, const auto& kNames>
constexpr auto named_form() {
    const auto parse = [](std::string_view text) -> Result<Enum> {
        const auto found = std::ranges::find(kNames, text);
        if (found != kNames.end())
            return static_cast<Enum>(found - kNames.begin());
        std::string all;
        for (const std::string_view name : kNames)
            all += (all.empty() ? "" : ", ") + std::string(name);
        return Error{in_quotes(text) + " is none of " + all, {}};
    };
    const auto text_of = [](Enum value) { return std::string(kNames[static_cast<std::size_t>(value)]); };
    return Form{parse, text_of, Style::bare};
}

// A name that capyknock's packets may carry (daemon/legacy/capyknock.h).
Result<std::string> parse_legacy_name(std::string_view text) {
    const bool is_printable = std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
    if (text.empty() || text.size() > authz::kMaxLegacyName || !is_printable)
        return Error{in_quotes(text) + " is not a name that capyknock sends",
                     "1 to 64 printable characters of ASCII without blanks"};
    return std::string(text);
}
constexpr Form kLegacyName{parse_legacy_name, [](const std::string& name) { return name; }, Style::text};

Result<Address> parse_target(std::string_view text) {
    if (const auto address = Address::parse(text))
        return *address;
    return Error{in_quotes(text) + " is not an address", {}};
}
constexpr Form kTarget{parse_target, [](const Address& address) { return address.text(); }, Style::text};

constexpr Form kFactor{parse_factor_kind, [](FactorKind kind) { return std::string(name_of(kind)); }, Style::bare};
constexpr Form kId{parse_credential_id, [](const wire::CredentialId& id) { return to_hex(id); }, Style::text};

// The keys of an old client's device. Whether it has a second factor is not its user's to choose.
template <typename Fields>
void describe_legacy(Fields& fields) {
    using authz::DeviceKind;
    fields.optional("kind", &CredentialFile::kind, named_form<DeviceKind, authz::kDeviceKindNames>());
    const CredentialFile& credential = fields.object();
    const bool is_capyknock = credential.kind == DeviceKind::capyknock;
    fields.required_if(is_capyknock, "name", &CredentialFile::name, kLegacyName);
    fields.required_if(is_capyknock, "target", &CredentialFile::target, kTarget);
    fields.required_if(is_capyknock, "port", &CredentialFile::port, yaml::number_form<std::uint16_t>(1, 65535));
    fields.optional("hmac", &CredentialFile::hmac, named_form<authz::HmacKind, authz::kHmacKindNames>());
    fields.check(is_capyknock || (!credential.name && !credential.target && !credential.port), nullptr,
                 "\"name\", \"target\" and \"port\" are for \"kind: capyknock\" only");
    fields.check(credential.kind == DeviceKind::fwknop || !credential.hmac, nullptr,
                 "\"hmac\" is for \"kind: fwknop\" only");
    fields.check(!is_capyknock || (credential.factor == FactorKind::totp && credential.digits.value_or(6) == 6),
                 nullptr, "a capyknock client sends a code of 6 digits", "factor: totp");
    fields.check(credential.kind != DeviceKind::fwknop || credential.factor == FactorKind::none, nullptr,
                 "an fwknop client sends no second factor", "factor: none");
}

template <typename Fields>
void describe(Fields& fields) {
    fields.required("user", &CredentialFile::user, yaml::kName);
    fields.required("device", &CredentialFile::device, yaml::kName);
    fields.required("id", &CredentialFile::id, kId);
    fields.required("factor", &CredentialFile::factor, kFactor);
    fields.optional("digits", &CredentialFile::digits, yaml::number_form<unsigned>(6, 8));
    fields.optional("enabled", &CredentialFile::enabled, yaml::kTruth);
    fields.optional("valid_from", &CredentialFile::valid_from, kDate);
    fields.optional("valid_until", &CredentialFile::valid_until, kDate);
    const CredentialFile& credential = fields.object();
    fields.check(!credential.valid_from || !credential.valid_until || *credential.valid_from < *credential.valid_until,
                 nullptr, "valid_until is not after valid_from");
    fields.check(is_totp_digits(credential.digits.value_or(6)), nullptr, "a code has 6 or 8 digits");
    fields.optional("secrets", &CredentialFile::secrets, kStem);
    fields.list("hosts", &CredentialFile::hosts, kHost, yaml::EmptyList::fault, yaml::Most{kMaxHosts, "hosts"});
    fields.optional("server", &CredentialFile::server, kHost);
    describe_legacy(fields);
}

} // namespace

bool is_stem(std::string_view text) {
    const auto is_plain = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
               c == '.';
    };
    return !text.empty() && text.size() <= kMaxStem && text.front() != '.' && text.front() != '-' &&
           text.front() != '_' && std::ranges::all_of(text, is_plain);
}

authz::LegacyClient legacy_of(const CredentialFile& credential) {
    authz::LegacyClient legacy;
    legacy.kind = credential.kind;
    legacy.hmac = credential.hmac.value_or(legacy.hmac);
    legacy.port = credential.port.value_or(0);
    legacy.target = credential.target.value_or(Address{});
    const std::string name = credential.name.value_or("");
    std::copy_n(name.begin(), std::min(name.size(), authz::kMaxLegacyName), legacy.name);
    return legacy;
}

CredentialFile read_credential_file(yaml::Section& section) {
    CredentialFile credential;
    yaml::FieldReader<CredentialFile> fields(section, credential);
    describe(fields);
    section.finish();
    return credential;
}

Result<std::string> credential_file_text(const CredentialFile& credential, std::string_view head) {
    return yaml::write_fields(
        credential, [](auto& fields) { describe(fields); }, head);
}

} // namespace xk::config
