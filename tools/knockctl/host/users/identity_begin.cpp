// SPDX-License-Identifier: MIT
#include "tools/knockctl/host/users/identity_begin.h"

#include "daemon/authz/state.h"
#include "daemon/config/machines.h"
#include "protocol/base/directory.h"
#include "protocol/base/secure_file.h"
#include "protocol/encoding.h"
#include "tools/knockctl/host/users/secrets.h"

#include <unistd.h>

#include <memory>
#include <utility>

namespace xk::tools {
namespace {

// No packet was ever accepted under a new identity, so judgement may begin without the wait that an unknown past
// demands. A clean and empty copy of the state says so. Empty: there is a copy already.
Result<std::string> write_clean_state(const config::Config& config) {
    const std::string copy = config.state_directory + "/state";
    if (::access(copy.c_str(), F_OK) == 0)
        return std::string();
    const config::Account& account = config.account;
    if (auto done = make_directory(config.state_directory, 0700, account.uid, account.gid); !done)
        return done.error();
    const auto image = std::make_unique<authz::StateImage>();
    auto done =
        write_file(copy, authz::save_state(*image, {}, Now::read(), true), 0600, false, account.gid, true, account.uid);
    return done ? Result(copy) : Result<std::string>(done.error());
}

} // namespace

NewIdentity::~NewIdentity() {
    for (const std::string& path : written_)
        (void)remove_file(path, false);
}

std::vector<std::string> NewIdentity::keep() { return std::exchange(written_, {}); }

// The identity comes last: without it the configuration cannot be read, and the next attempt begins again.
Result<void> NewIdentity::make(const std::string& directory, const config::Config& config) {
    const auto state = write_clean_state(config);
    if (!state)
        return state.error();
    if (!state->empty())
        written_.push_back(*state);
    const wire::ServerId id = random_bytes<wire::kServerIdSize>();
    if (auto named = config::name_carrier(directory, id, true); !named)
        return named.error();
    const std::string file = directory + "/server_id";
    if (auto done = write_file(file, to_hex(id) + "\n", 0644, false); !done)
        return done;
    written_.insert(written_.begin(), file);
    return {};
}

} // namespace xk::tools
