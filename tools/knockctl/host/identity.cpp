// SPDX-License-Identifier: MIT
#include "tools/knockctl/host/identity.h"

#include "daemon/config/config.h"
#include "daemon/config/machines.h"
#include "protocol/base/secure_file.h"
#include "protocol/encoding.h"
#include "tools/knockctl/control.h"

#include <sodium.h>

#include <iostream>

namespace xk::tools {
namespace {

using nlohmann::json;

const Error kNoMachineId{"this machine has no id by which it could be told from a copy", "systemd-machine-id-setup"};

} // namespace

int keep_identity(const std::string& config_file, bool as_json) {
    const std::string directory = config::directory_of(config_file);
    const auto id = config::read_server_id(directory);
    if (!id)
        return fail(id.error());
    const auto carrier = config::name_carrier(directory, *id, false);
    if (!carrier)
        return fail(carrier.error());
    if (*carrier == config::Carrier::none)
        return fail(kNoMachineId);
    if (as_json)
        std::cout << text_of({{"server_id", to_hex(*id)}}, 2) << "\n";
    else
        std::cout
            << "this machine carries the identity " << to_hex(*id)
            << " from now on\nWhere another one goes on carrying it too, they are a pair: when this one takes over, say"
               "\nknockctl takeover\n";
    return 0;
}

int make_new_identity(const std::string& config_file, bool as_json) {
    const std::string directory = config::directory_of(config_file);
    const auto config = config::load_config(config_file); // a typo in the name must not leave an identity anywhere
    if (!config)
        return fail(config.error());
    wire::ServerId id;
    randombytes_buf(id.data(), id.size());
    if (auto done = write_file(directory + "/server_id", to_hex(id) + "\n", 0644, true); !done)
        return fail(done.error());
    if (const auto carrier = config::name_carrier(directory, id, true); !carrier)
        return fail(carrier.error());
    json devices = json::array();
    for (const authz::Credential& credential : config->policy.credentials)
        devices.push_back(credential.label());
    if (as_json) {
        std::cout << text_of({{"server_id", to_hex(id)}, {"devices", devices}}, 2) << "\n";
        return 0;
    }
    std::cout << "this machine has an identity of its own. These devices' profiles want the line\nserver_id: \""
              << to_hex(id) << "\"\n";
    for (const json& device : devices)
        std::cout << "  " << device.get<std::string>() << "\n";
    std::cout << "It counts from the next start on: systemctl restart xknockd\n";
    return 0;
}

} // namespace xk::tools
