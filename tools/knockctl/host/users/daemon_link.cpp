// SPDX-License-Identifier: MIT
#include "tools/knockctl/host/users/daemon_link.h"

#include "daemon/config/config.h"
#include "protocol/base/fd.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>

namespace xk::tools {
namespace {

using nlohmann::json;

bool somebody_listens(const std::string& socket) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (socket.size() >= sizeof address.sun_path)
        return false;
    std::memcpy(address.sun_path, socket.data(), socket.size());
    const Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    // EAGAIN: so many wait already that there is no place.
    return fd && (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
                  errno == EAGAIN || errno == EACCES);
}

// users/anna.yaml, credentials/anna.laptop.yaml
bool is_file_of(const std::string& path, const std::set<std::string>& users) {
    const std::string name = path.substr(path.rfind('/') + 1);
    return std::ranges::any_of(users, [&](const std::string& user) { return name.starts_with(user + "."); });
}

} // namespace

DaemonLink::DaemonLink(const UserOptions& options, const Control& control)
    : config_file_(options.config_file), control_(control) {
    if (!options.socket_is_given)
        control_.socket = config::guess_paths(options.config_file).run + "/control.sock";
    runs_ = !options.no_reload && somebody_listens(control_.socket);
}

Result<DaemonLink::Told> DaemonLink::check(const std::set<std::string>& users) const {
    const auto config = config::load_config(config_file_, config::Identity::required, config::UserFaults::disable);
    if (!config)
        return config.error();
    std::string faults;
    Told told;
    for (const config::Disabled& disabled : config->disabled)
        for (const std::string& fault : disabled.faults)
            if (is_file_of(disabled.file, users))
                faults += (faults.empty() ? "" : "\n") + fault;
            else
                told.warnings.push_back(fault);
    return faults.empty() ? Result(told) : Result<Told>(Error{faults, {}, Exit::configuration});
}

Result<DaemonLink::Told> DaemonLink::reload(const std::set<std::string>& users, const std::string& change) const {
    if (!runs_)
        return check(users);
    json request = {{"verb", "reload"}};
    if (!users.empty()) {
        request["users"] = users;
        request["change"] = change;
    }
    const auto reply = control_.ask(request);
    if (!reply)
        return reply.error();
    return Told{true, reply->value("warnings", std::vector<std::string>())};
}

} // namespace xk::tools
