// SPDX-License-Identifier: MIT
//
// The verb ssh-config: what ssh needs to know so that it knocks. Each host has a file of its own in ~/.ssh/xknock.d,
// and one marked Include at the top of ~/.ssh/config reads them all, because ssh takes the first value that it meets.
#pragma once

#include "client/arguments.h"
#include "client/profile.h"
#include "protocol/base/result.h"

#include <optional>
#include <string>
#include <string_view>

namespace xk::client {

int run_ssh_config(const Arguments& arguments);

struct HostBlock {
    std::string host;      // as it is typed after "ssh"
    std::string host_name; // where that is an alias; otherwise empty
    std::string program;   // path of knock-client
    std::string profile;   // name or file
    bool pass_socket = false;
};
// Nothing that ssh_config takes for a pattern, a token, a quotation or a second word, or a shell for a command.
bool is_plain_host(std::string_view host);
// For a host that ssh finds by this name.
HostBlock host_block(const std::string& host, const Profile& profile);
// Puts it where ssh reads it; the file.
Result<std::string> install_host_block(const HostBlock& block);

// The lines for ssh_config. An error where a text would mean something else there: hosts come from profiles, and these
// from others.
Result<std::string> host_block_text(const HostBlock& block);

// The user's configuration with our Include at its top; `text` is nothing where there is no such file.
std::string with_include(const std::optional<std::string>& text);
// The same without it, to the byte: nothing where there was no file before.
std::optional<std::string> without_include(const std::string& text);

} // namespace xk::client
