// SPDX-License-Identifier: MIT
//
// The configuration: /etc/xknock/xknock.yaml, and beside it
//   server_id                 the server's identity, 32 hexadecimal digits
//   users/NAME.yaml           one user and their rights
//   credentials/NAME.yaml     one device of a user: id and kind, nothing secret
//   credentials/NAME.key      its key, base64           } secret; only opened here, read by the worker
//   credentials/NAME.otp      its second factor's secret }
//
// load_config() reads all of it and finds every fault before it says no; nothing else of the daemon parses
// text. The errors are many lines, each with file, line and column.
//
// A fault in a file of users/ or credentials/ is a fault of all of it, or (UserFaults::disable) disables whom the file
// describes: they are left out, as if the file were not there, and Config::disabled says why. What collides with
// another file (a name, an id) disables both, so that no order of files decides who somebody is.
#pragma once

#include "daemon/authz/policy.h"
#include "daemon/config/account.h"
#include "daemon/config/fixed.h"
#include "daemon/config/hooks.h"
#include "protocol/base/fd.h"
#include "protocol/base/result.h"

#include <sys/types.h>

#include <bitset>
#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace xk::config {

// Where the secrets of one credential are; same index as in Policy::credentials.
struct SecretFiles {
    std::string key;
    std::string factor;               // empty for factor none
    std::string described_in() const; // the .yaml beside them
};

// A file of users/ or credentials/ with a fault.
struct Disabled {
    std::string file;                // the .yaml, also where the fault is in a secret beside it
    std::vector<std::string> faults; // "file:line:column: ..." each
};

// A user of users/, with credentials or without.
struct NamedUser {
    std::string name;
    std::bitset<authz::kMaxServices> services; // by index of policy.services
};

// What a reload changes.
struct Live {
    std::vector<std::string> interfaces;
    std::uint16_t port = wire::kDefaultPort;
    bool answer_as_closed = false; // stealth: closed
    bool allow_generic = false;
    std::uint32_t run_priority = 5;
    bool drop_syn = true; // xdp.drop_syn: SYNs without a grant die at the NIC, where it is certain
    std::optional<std::set<Address>> local_addresses; // none: this host's own, kept current
    bool gate_closed = false; // gate.stealth: closed; protected ports of this host answer as closed ones
    std::vector<Prefix> allow;
    std::vector<Prefix> never_ban; // besides those of `allow`
    bool shut_on_failure = true;   // gate.on_failure: a start that fails leaves the ports shut, also after a boot
    std::size_t max_grants = 4096;
    Hooks hooks;                                  // the first one and another user need a restart: see HookCalls
    std::optional<gid_t> admin_group, read_group; // of the control socket

    authz::Policy policy;
    std::vector<SecretFiles> secrets;
    std::vector<NamedUser> users;
};

struct Config : Fixed, Live {
    std::string file;
    std::vector<std::string> warnings; // "file:line:column: ..." each
    std::vector<Disabled> disabled;

    std::vector<PortRange> ranges() const; // of this host, of more than one port
    bool has_targets() const;              // services of hosts behind this one
};

// A configuration without server_id is a fault, except while the identity is being made.
enum class Identity { required, absent };
enum class UserFaults { refuse, disable };
Result<Config> load_config(const std::string& file, Identity identity = Identity::required,
                           UserFaults user_faults = UserFaults::refuse);

// The directories of "paths", as far as anything can be made out in a file that may be faulty or no YAML at all; else
// the standard ones. For what has to be done before the configuration is read, or when it cannot be.
struct Paths {
    std::string run, state, bpf;
};
Paths guess_paths(const std::string& file);

// Takes credential `index` out, as load_config() does with one whose file has a fault. Not of a configuration that
// counts.
void disable(Config& config, std::size_t index, const Error& fault);
// The same file as in another list.
bool names(const std::vector<Disabled>& list, const std::string& file);

// Opens the secret files of one credential, with all checks of rights: key, and factor where there is one.
Result<std::vector<Fd>> open_secrets(const Config& config, std::size_t credential);

// The identity in `directory`/server_id.
Result<wire::ServerId> read_server_id(const std::string& directory);

} // namespace xk::config
