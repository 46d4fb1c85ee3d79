// SPDX-License-Identifier: MIT
// Opens the secret files of credentials. Only the worker reads them.
#include "daemon/config/secrets.h"

#include "daemon/config/config.h"
#include "protocol/base/secure_file.h"

namespace xk::config {

Result<Fd> open_secret(const Config& config, const std::string& path, std::set<std::string>* checked) {
    FileRules rules;
    rules.secret = true;
    rules.group = config.account.gid;
    rules.max_size = 4096;
    rules.checked_directories = checked;
    return open_checked(path, rules);
}

Result<std::vector<Fd>> open_secrets(const Config& config, std::size_t credential) {
    std::vector<Fd> fds;
    for (const std::string& path : {config.secrets[credential].key, config.secrets[credential].factor}) {
        if (path.empty())
            continue;
        auto fd = open_secret(config, path, nullptr);
        if (!fd)
            return fd.error();
        fds.push_back(*std::move(fd));
    }
    return fds;
}

} // namespace xk::config
