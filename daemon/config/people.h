// SPDX-License-Identifier: MIT
//
// People reads the files of users/ and credentials/ (docs/configuration.md). It keeps the faults of each file apart, so
// that a fault can disable the user or device of its file and nobody else.
#pragma once

#include "daemon/config/config.h"
#include "daemon/config/credential_file.h"
#include "daemon/config/user_file.h"
#include "protocol/yaml/document.h"

#include <bitset>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace xk::config {

using Modes = std::bitset<authz::kKnockModes>; // by authz::KnockMode

// The modes of old clients.
inline constexpr Modes kLegacyModes{1u << static_cast<unsigned>(authz::KnockMode::capyknock) |
                                    1u << static_cast<unsigned>(authz::KnockMode::fwknop)};
// The mode of the devices of this kind; none where the kind is no old client's.
Modes legacy_mode_of(authz::DeviceKind kind);

// Faults where more devices are of kind fwknop than each of its packets is tried with.
void check_legacy(yaml::Faults& faults, const Config& config);

class People {
  public:
    // `config` already has the main file's part. `has_accounts`: the group that may read secrets is known.
    People(Config& config, std::string directory, UserFaults user_faults, bool has_accounts);

    // Reads all files. `faults` gets faults that belong to no file: a directory that cannot be listed.
    void read(yaml::Faults& faults);
    // Reads the files of these users alone, as load_users() finds them, and compares them with the others in `counts`.
    void read_again(const std::set<std::string>& users, const Config& counts, yaml::Faults& faults);
    // Adds the faults of all files.
    void add_faults(yaml::Faults& faults) const;
    // Writes the users and credentials of good files into the configuration, and the faults of the others.
    void take_over();

  private:
    struct File {
        std::string path;
        yaml::Faults faults;
        bool is_of_others = false; // a credential's file: its user is not one of `only_`
        bool is_good() const { return faults.empty(); }
    };
    // A user with what the credentials inherit.
    struct User {
        File* file;
        yaml::Place place;
        authz::Credential rights; // everything but id, device and factor
        bool has_credential = false;
        bool has_sequence = false; // a credential may knock by sequences
        bool has_c_lock = false;   // likewise, by those of c-lock
        Modes has_legacy{};        // the modes of old clients that its credentials have
    };
    // The place where a name or an id was seen first.
    struct Use {
        yaml::Place place;
        File* file;
    };
    struct Device {
        File* file;
        authz::Credential credential;
        SecretFiles secrets;
    };

    void warn_of_legacy(const std::string& name, const User& user);
    std::optional<yaml::Section> open(File& file);
    void fault_twice(const std::string& what, const Use& first, const Use& second);
    void claim(std::map<std::string, Use>& seen, const std::string& key, const std::string& what, const Use& use);
    void read_user(File& file);
    Result<void> check_service(std::string_view name) const;
    void set_services(authz::Credential& rights, const std::vector<std::string>& names) const;
    void read_credential(File& file);
    void read_known_credential(const std::string& path);
    void read_found_credential(const std::string& path);
    void compare_with(const Config& counts);
    void claim_device(const CredentialFile& device, const Use& use);
    User* find_user(const CredentialFile& device, const yaml::Section& section, File& file);
    // Modes that none of the user's devices can have, and rules that do not go with a mode.
    void warn_of_modes(const std::string& name, const User& user);
    void add_device(File& file, const yaml::Place& place, User& user, const CredentialFile& device);
    void check_secrets(const SecretFiles& secrets, yaml::Faults& faults);

    Config& config_;
    std::string directory_;
    UserFaults user_faults_;
    bool has_accounts_;
    std::set<std::string> checked_directories_;
    std::map<std::string, std::size_t, std::less<>> services_; // index by name
    std::deque<File> files_; // in the order of reading; a deque, because others keep their addresses
    std::map<std::string, User> users_;
    std::map<std::string, Use> credential_ids_, labels_, legacy_names_, secrets_;
    std::vector<Device> devices_;
    const std::set<std::string>* only_ = nullptr; // where not all files are read: the users whose files are
    std::size_t others_ = 0;                      // credentials of others, which are not read
};

// Adds a fault of a whole file, without the file's name in front of the error's text.
void add_file_fault(yaml::Faults& faults, const std::string& path, const Error& error);

} // namespace xk::config
