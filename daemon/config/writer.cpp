// SPDX-License-Identifier: MIT
#include "daemon/config/writer.h"

#include "protocol/base/quote.h"
#include "protocol/base/secure_file.h"
#include "protocol/yaml/document.h"
#include "protocol/yaml/update.h"

namespace xk::config {
namespace {

constexpr mode_t kMode = 0644; // nothing in these files is secret

Result<void> create(const std::string& path, const Result<std::string>& text) {
    if (!text)
        return Error(text.error()).within("writing " + in_quotes(path));
    if (text->size() > FileRules().max_size)
        return Error{in_quotes(path) + " would be larger than the daemon reads", {}};
    return write_file(path, *text, kMode, false);
}

// `read` and `write` are the two directions of one description.
template <typename File, typename Read, typename Write>
Result<void> update(const std::string& path, const File& wanted, Read read, Write write) {
    auto text = read_checked(path, {});
    if (!text)
        return text.error();
    yaml::Faults faults;
    auto section = yaml::read(*text, path, faults);
    const File now = section ? read(*section) : File();
    if (!faults.empty())
        return faults.error();
    const auto before = write(now), after = write(wanted);
    if (!before || !after)
        return Error(before ? after.error() : before.error()).within("writing " + in_quotes(path));
    auto edits = yaml::edits_between(*before, *after);
    return edits ? yaml::edit_file(path, {}, *edits) : edits.error();
}

} // namespace

Result<void> create_user_file(const std::string& path, const UserFile& user, std::string_view head) {
    return create(path, user_file_text(user, head));
}

Result<void> create_credential_file(const std::string& path, const CredentialFile& credential, std::string_view head) {
    return create(path, credential_file_text(credential, head));
}

Result<void> update_user_file(const std::string& path, const UserFile& wanted) {
    // Only a whole configuration knows which services there are.
    const CheckService any = [](std::string_view) { return Result<void>(); };
    return update(
        path, wanted, [&](yaml::Section& section) { return read_user_file(section, any); },
        [](const UserFile& user) { return user_file_text(user); });
}

Result<void> update_credential_file(const std::string& path, const CredentialFile& wanted) {
    return update(
        path, wanted, [](yaml::Section& section) { return read_credential_file(section); },
        [](const CredentialFile& credential) { return credential_file_text(credential); });
}

} // namespace xk::config
