// SPDX-License-Identifier: MIT
// The server's identity.
#include "daemon/config/config.h"
#include "protocol/base/quote.h"
#include "protocol/base/secure_file.h"
#include "protocol/encoding.h"

namespace xk::config {

Result<wire::ServerId> read_server_id(const std::string& directory) {
    const std::string path = directory + "/server_id";
    auto text = read_checked(path, {});
    if (!text) {
        Error error = std::move(text).error();
        error.hint = "\"knockctl keygen\" makes it with the first user";
        return error;
    }
    text->erase(text->find_last_not_of(" \t\r\n") + 1);
    if (const auto id = from_hex<wire::kServerIdSize>(*text))
        return *id;
    return Error{in_quotes(path) + " does not hold 32 hexadecimal digits", {}, Exit::configuration};
}

} // namespace xk::config
