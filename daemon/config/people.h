// SPDX-License-Identifier: MIT
//
// People: the files of users/ and credentials/, and who they make (docs/configuration.md). A fault of one file is kept
// apart from those of the others, so that it can disable whom the file describes and nobody else.
#pragma once

#include "daemon/config/config.h"
#include "daemon/config/credential_file.h"
#include "daemon/config/user_file.h"
#include "protocol/yaml/document.h"

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace xk::config {

class People {
  public:
    // `config` has the main file's part already. `has_accounts`: whose group may read secrets is known.
    People(Config& config, std::string directory, UserFaults user_faults, bool has_accounts);

    // Reads all files. `faults` gets what belongs to no file: a directory that cannot be listed.
    void read(yaml::Faults& faults);
    // The faults of all files.
    void add_faults(yaml::Faults& faults) const;
    // Writes the users and credentials whose files are good into the configuration, and why the others are not.
    void take_over();

  private:
    struct File {
        std::string path;
        yaml::Faults faults;
        bool is_good() const { return faults.empty(); }
    };
    // A user with what the credentials inherit.
    struct User {
        File* file;
        yaml::Place place;
        authz::Credential rights; // everything but id, device and factor
        bool has_credential = false;
    };
    // Where a name or an id was seen first.
    struct Use {
        yaml::Place place;
        File* file;
    };
    struct Device {
        File* file;
        authz::Credential credential;
        SecretFiles secrets;
    };

    std::optional<yaml::Section> open(File& file);
    void fault_twice(const std::string& what, const Use& first, const Use& second);
    void claim(std::map<std::string, Use>& seen, const std::string& key, const std::string& what, const Use& use);
    void read_user(File& file);
    Result<void> check_service(std::string_view name) const;
    void set_services(authz::Credential& rights, const std::vector<std::string>& names) const;
    void read_credential(File& file);
    void claim_device(const CredentialFile& device, const Use& use);
    User* find_user(const CredentialFile& device, const yaml::Section& section, File& file);
    void add_device(File& file, const yaml::Place& place, User& user, const CredentialFile& device);
    void check_secrets(const SecretFiles& secrets, yaml::Faults& faults);

    Config& config_;
    std::string directory_;
    UserFaults user_faults_;
    bool has_accounts_;
    std::set<std::string> checked_directories_;
    std::map<std::string, std::size_t, std::less<>> services_; // index by name
    std::deque<File> files_;                                   // in the order of reading; their addresses last
    std::map<std::string, User> users_;
    std::map<std::string, Use> credential_ids_, labels_;
    std::vector<Device> devices_;
};

// A fault of a file as a whole. The error names it as well, and once is enough.
void add_file_fault(yaml::Faults& faults, const std::string& path, const Error& error);

} // namespace xk::config
