// SPDX-License-Identifier: MIT
#include "daemon/config/credential_file.h"

#include "daemon/authz/policy.h"
#include "daemon/config/forms.h"
#include "protocol/encoding.h"
#include "protocol/otp.h"

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

constexpr Form kFactor{parse_factor_kind, [](FactorKind kind) { return std::string(name_of(kind)); }, Style::bare};
constexpr Form kId{parse_credential_id, [](const wire::CredentialId& id) { return to_hex(id); }, Style::text};

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
}

} // namespace

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
