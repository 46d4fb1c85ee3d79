// SPDX-License-Identifier: MIT
//
// The configuration: /etc/xknock/xknock.yaml, and beside it
//   server_id                 the server's identity, 32 hexadecimal digits
//   users/NAME.yaml           one user and their rights
//   credentials/NAME.yaml     one device of a user: id and kind, nothing secret
//   credentials/NAME.key      its key, base64           } secret: only opened here, read by the worker
//   credentials/NAME.otp      its second factor's secret }
// NAME of the secrets is that of the .yaml beside them, or what its key "secrets" says.
//
// load_config() reads all of it and reports every fault at once, one line each, with file, line and column. Nothing
// else in the daemon parses text.
//
// A fault in a file of users/ or credentials/ either fails the whole load, or (UserFaults::disable) disables the user
// or device of that file: they are left out, and Config::disabled has the reason. If two files claim the same name or
// id, both are disabled, so that the order of files never decides who somebody is.
#pragma once

#include "daemon/authz/policy.h"
#include "daemon/authz/sequences.h"
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

// The secret files of one credential; same index as in Policy::credentials.
struct SecretFiles {
    std::string key;
    std::string factor;       // empty if there is no second factor
    std::string described_in; // the .yaml that describes the credential
};

// A file of users/ or credentials/ with a fault.
struct Disabled {
    std::string file;                // the .yaml, even if the fault is in a secret beside it
    std::vector<std::string> faults; // "file:line:column: ..." each
};

// A user of users/, with credentials or without.
struct NamedUser {
    std::string name;
    std::bitset<authz::kMaxServices> services; // by index of policy.services
    std::string file;                          // the .yaml
};

inline constexpr double kMaxGuessOdds = 1e-6;

// What the filter needs for sequences of c-lock.
struct ClockGuesses {
    std::uint32_t attempts_per_hour = authz::kAttemptsPerHour; // of all sources
    std::optional<double> max_guess_odds;                      // a day; not given: that of the other sequences
    std::vector<std::uint16_t> open_ports;                     // SYNs to them do not count; kMostOpenPorts at most
    bool operator==(const ClockGuesses&) const = default;
};
inline constexpr std::size_t kMostOpenPorts = 16; // XK_MOST_OPEN_PORTS

// The half of a configuration that a reload can change.
struct Live {
    std::vector<std::string> interfaces;
    std::uint16_t port = wire::kDefaultPort;
    // legacy: UDP ports of old clients; 0: none of them may knock. They may be one, or the knock port.
    std::uint16_t capyknock_port = 0, fwknop_port = 0;
    bool answer_as_closed = false; // stealth: closed
    bool allow_generic = false;
    std::uint32_t run_priority = 5;
    bool drop_syn = true; // xdp.drop_syn: the filter drops SYNs that certainly have no grant
    std::optional<std::set<Address>> local_addresses; // none: those of this host, as they change
    bool gate_closed = false; // gate.stealth: closed; protected ports of this host answer as closed ones
    std::vector<Prefix> allow;
    std::vector<Prefix> never_ban; // beside those of `allow`
    bool shut_on_failure = true;   // gate.on_failure: a start that fails leaves the ports shut, also after a boot
    std::size_t max_grants = 4096;
    double max_guess_odds = kMaxGuessOdds; // sequence.max_guess_odds, a day
    ClockGuesses c_lock;
    Hooks hooks;                                  // the first hook, and another user, need a restart: HookCalls
    std::optional<gid_t> admin_group, read_group; // of the control socket

    authz::Policy policy;
    std::vector<SecretFiles> secrets;
    std::vector<NamedUser> users;
};

struct Config : Fixed, Live {
    std::string file;
    std::vector<std::string> warnings; // "file:line:column: ..." each
    std::vector<Disabled> disabled;

    std::vector<std::uint16_t>
    knock_ports() const;                   // UDP, each once: the knock port, and behind it those of old clients
    std::vector<PortRange> ranges() const; // of this host, of more than one port
    bool has_targets() const;              // services of hosts behind this one
};

// Identity::absent: the identity is being made, so a missing server_id is no fault.
enum class Identity { required, absent };
enum class UserFaults { refuse, disable };
Result<Config> load_config(const std::string& file, Identity identity = Identity::required,
                           UserFaults user_faults = UserFaults::refuse);

// The main file and the identity alone, without users. With load_users() it is the configuration of some users.
Result<Config> load_main(const std::string& file, Identity identity = Identity::required);

// `counts` with the files of these users read again, and nothing else: the main file is not read, nor is any file of
// another user. They are the files that `counts` has of the users, users/NAME.yaml, and credentials/NAME.*.yaml. A user
// without a file is gone afterwards. A fault disables as UserFaults::disable does. The result has the warnings about
// these users only. Not found: a user's new file of another name; the next load_config() reads it.
Result<Config> load_users(const Config& counts, const std::set<std::string>& users);

// The directories of "paths", found in a file that may be faulty or no YAML at all; the standard ones where nothing is
// found. For what must be done before the configuration is read, or although it cannot be read.
struct Paths {
    std::string run, state, bpf;
};
Paths guess_paths(const std::string& file);

// Takes credential `index` out, as load_config() does if its file has a fault. Never call it on the configuration that
// counts.
void disable(Config& config, std::size_t index, const Error& fault);
// Whether `list` has this file.
bool names(const std::vector<Disabled>& list, const std::string& file);

// Opens the secret files of one credential, with all checks of owner and mode: its key, and its factor if it has one.
Result<std::vector<Fd>> open_secrets(const Config& config, std::size_t credential);

// The identity in `directory`/server_id.
Result<wire::ServerId> read_server_id(const std::string& directory);

} // namespace xk::config
