// SPDX-License-Identifier: MIT
#include "daemon/config/machines.h"

#include "protocol/base/secure_file.h"
#include "protocol/encoding.h"

#include <sodium.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

namespace xk::config {
namespace {

constexpr const char* kMachineIdFile = "/etc/machine-id";
constexpr std::size_t kIdLength = 32; // hexadecimal digits; "uninitialized" in an image that was never started
constexpr const char* kHead =
    "# The machines that may carry the identity in server_id: \"knockctl identity keep\" adds one.\n";

std::string path_in(const std::string& directory) { return directory + "/machines"; }

// Others can read the file but must not learn the id (machine-id(5)), so a mark is a hash of it, keyed by the identity.
std::optional<std::string> mark_of_this_machine(const wire::ServerId& identity) {
    std::ifstream in(kMachineIdFile);
    std::string id;
    if (!std::getline(in, id) || id.size() != kIdLength || id.find_first_not_of("0123456789abcdef") != id.npos)
        return std::nullopt;
    static_assert(wire::kServerIdSize >= crypto_generichash_KEYBYTES_MIN);
    Bytes<16> mark;
    crypto_generichash(mark.data(), mark.size(), reinterpret_cast<const unsigned char*>(id.data()), id.size(),
                       identity.data(), identity.size());
    return to_hex(mark);
}

bool has_line(const std::string& text, const std::string& wanted) {
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);)
        if (line == wanted)
            return true;
    return false;
}

// Nothing: there is no file.
Result<std::optional<std::string>> read_machines(const std::string& directory) {
    if (::access(path_in(directory).c_str(), F_OK) != 0 && errno == ENOENT)
        return std::optional<std::string>();
    auto text = read_checked(path_in(directory), {});
    if (!text)
        return text.error();
    return std::optional(*std::move(text));
}

} // namespace

Result<Carrier> find_carrier(const std::string& directory, const wire::ServerId& identity) {
    const auto mark = mark_of_this_machine(identity);
    if (!mark)
        return Carrier::none;
    auto machines = read_machines(directory);
    if (!machines)
        return machines.error();
    if (!*machines)
        return Carrier::unnamed;
    return has_line(**machines, *mark) ? Carrier::named : Carrier::another;
}

Result<Carrier> name_carrier(const std::string& directory, const wire::ServerId& identity, bool alone) {
    const auto mark = mark_of_this_machine(identity);
    if (!mark)
        return Carrier::none;
    std::string text = kHead;
    if (!alone) {
        auto machines = read_machines(directory);
        if (!machines)
            return machines.error();
        text = machines->value_or(text);
        if (!text.empty() && text.back() != '\n')
            text += '\n';
    }
    if (!has_line(text, *mark))
        text += *mark + "\n";
    if (auto done = write_file(path_in(directory), text, 0644, true); !done)
        return done.error();
    return Carrier::named;
}

std::string directory_of(const std::string& config_file) {
    const std::string directory = std::filesystem::path(config_file).parent_path().string();
    return directory.empty() ? "." : directory;
}

} // namespace xk::config
