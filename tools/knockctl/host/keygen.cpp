// SPDX-License-Identifier: MIT
#include "tools/knockctl/host/keygen.h"

#include "daemon/authz/state.h"
#include "daemon/config/config.h"
#include "daemon/config/credential_file.h"
#include "daemon/config/machines.h"
#include "daemon/config/user_file.h"
#include "protocol/base/directory.h"
#include "protocol/base/quote.h"
#include "protocol/base/secure_file.h"
#include "protocol/encoding.h"
#include "protocol/otp.h"
#include "protocol/profile/profile_file.h"
#include "protocol/secret.h"
#include "tools/knockctl/host/otpauth.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>

namespace xk::tools {
namespace {

namespace fs = std::filesystem;

// The files that were written so far. They are removed again unless keep() is called.
class Files {
  public:
    ~Files() {
        for (const std::string& path : written_)
            (void)remove_file(path, false);
    }
    Result<void> write(const std::string& path, const std::string& content, mode_t mode,
                       std::optional<gid_t> group = {}, std::optional<uid_t> owner = {}) {
        auto done = write_file(path, content, mode, false, group, true, owner);
        if (done)
            written_.push_back(path);
        return done;
    }
    std::vector<std::string> keep() { return std::exchange(written_, {}); }

  private:
    std::vector<std::string> written_;
};

template <std::size_t N>
Bytes<N> random_bytes() {
    Bytes<N> bytes;
    randombytes_buf(bytes.data(), bytes.size());
    return bytes;
}

// A new identity: no packet was ever accepted under it, so judgement may begin without the wait that an unknown past
// demands. A clean and empty copy of the state says so.
Result<void> make_identity(Files& files, const std::string& directory, const config::Config& config) {
    if (auto done = files.write(directory + "/server_id", to_hex(random_bytes<wire::kServerIdSize>()) + "\n", 0644);
        !done)
        return done;
    auto id = config::read_server_id(directory);
    if (!id)
        return id.error();
    if (auto named = config::name_carrier(directory, *id, true); !named)
        return named.error();
    const std::string copy = config.state_directory + "/state";
    if (::access(copy.c_str(), F_OK) == 0)
        return {};
    const config::Account& account = config.account;
    if (auto done = make_directory(config.state_directory, 0700, account.uid, account.gid); !done)
        return done;
    const auto image = std::make_unique<authz::StateImage>();
    return files.write(copy, authz::save_state(*image, {}, Now::read(), true), 0600, account.gid, account.uid);
}

const config::NamedUser* find_user(const config::Config& config, const std::string& name) {
    const auto found = std::ranges::find(config.users, name, &config::NamedUser::name);
    return found == config.users.end() ? nullptr : &*found;
}

using ServicePorts = std::vector<std::pair<std::string, std::vector<std::string>>>;

// The services that the credential may open, for its profile.
ServicePorts ports_of(const config::Config& config, const std::vector<std::string>& names) {
    ServicePorts all;
    for (const authz::Service& service : config.policy.services) {
        const std::string name(service.name.view());
        if (std::ranges::find(names, name) == names.end())
            continue;
        std::vector<std::string>& ports = all.emplace_back(name, std::vector<std::string>()).second;
        for (const PortRange& range : service.all_ports()) {
            if (!service.is_behind())
                ports.push_back(range.text());
            else if (service.published.port != 0)
                ports.push_back(service.published.text());
            else
                for (const Address& target : {service.target4, service.target6})
                    if (target != Address{})
                        ports.push_back(range.text() + "@" + target.text());
        }
    }
    return all;
}

Result<void> check_options(const KeygenOptions& options) {
    if (!is_name(options.user) || !is_name(options.device))
        return Error{in_quotes(options.user + "/" + options.device) + " is not a user and a device",
                     "1 to 32 letters, digits, \"-\", \"_\" or \".\" each", Exit::usage};
    const auto is_host = [](const std::string& host) {
        return !host.empty() && printable(host) == host && host.find_first_of("\"\\") == host.npos;
    };
    std::vector<std::string> hosts = options.hosts;
    if (!options.server.empty())
        hosts.push_back(options.server);
    for (const std::string& host : hosts)
        if (!is_host(host))
            return Error{in_quotes(host) + " is not a host", {}, Exit::usage};
    return {};
}

// One enrolment. If a step fails, everything that was made is removed.
class Enrolment {
  public:
    explicit Enrolment(const KeygenOptions& options)
        : options_(options), directory_(config::directory_of(options.config_file)) {}
    Result<Enrolled> run();

  private:
    Result<void> load();
    Result<void> choose_services();
    Result<void> make_directories();
    Result<void> write_user();
    void make_secrets();
    Result<void> write_credential();
    Result<void> write_profile();
    std::string head_of_profile() const;

    const KeygenOptions& options_;
    std::string directory_;
    Files files_;
    Enrolled enrolled_;
    std::optional<config::Config> config_;
    bool is_new_user_ = false;
    std::vector<std::string> services_; // that the user may open
    wire::CredentialId id_{};
    Secret<Key> key_;
    Secret<FactorKey> factor_; // size 0: none
};

// Makes the identity first: a configuration without one cannot be read.
Result<void> Enrolment::load() {
    const bool new_identity = ::access((directory_ + "/server_id").c_str(), F_OK) != 0;
    auto config =
        config::load_config(options_.config_file, new_identity ? config::Identity::absent : config::Identity::required);
    if (!config)
        return config.error();
    config_ = *std::move(config);
    if (!new_identity)
        return {};
    if (auto done = make_identity(files_, directory_, *config_); !done)
        return done;
    enrolled_.notes.push_back("made this server's identity, " + directory_ + "/server_id");
    return {};
}

Result<void> Enrolment::choose_services() {
    std::vector<std::string> all;
    for (const authz::Service& service : config_->policy.services)
        all.emplace_back(service.name.view());
    for (const std::string& wanted : options_.services)
        if (std::ranges::find(all, wanted) == all.end())
            return Error{"there is no service " + in_quotes(wanted), "services are named in " + options_.config_file,
                         Exit::usage};
    const auto* const known = find_user(*config_, options_.user);
    is_new_user_ = known == nullptr;
    if (is_new_user_) {
        services_ = options_.services.empty() ? all : options_.services;
        return {};
    }
    if (!options_.services.empty())
        enrolled_.notes.push_back("user " + options_.user + " exists: their services stay as they are");
    for (std::size_t i = 0; i < all.size(); ++i)
        if (known->services.test(i))
            services_.push_back(all[i]);
    return {};
}

Result<void> Enrolment::make_directories() {
    if (auto done = create_directory(directory_ + "/users", 0755, {}, {}); !done)
        return done;
    return create_directory(directory_ + "/credentials", 0750, {}, config_->account.gid);
}

Result<void> Enrolment::write_user() {
    if (!is_new_user_)
        return {};
    config::UserFile user;
    user.name = options_.user;
    user.services = services_;
    auto text = config::user_file_text(user, "# Rights of one user; docs/configuration.md describes every key.\n");
    if (!text)
        return text.error();
    return files_.write(directory_ + "/users/" + options_.user + ".yaml",
                        *text + "# lifetime: 30s      # of a grant, when the client asks for none, instead of the "
                                "service's own\n"
                                "# max_lifetime: 1h\n"
                                "# binding: any       # the packet's source may stand for a client behind NAT\n",
                        0644);
}

void Enrolment::make_secrets() {
    id_ = random_bytes<wire::kCredentialIdSize>();
    randombytes_buf(key_->data(), key_->size());
    if (options_.factor == FactorKind::none)
        return;
    factor_->size = has_codes(options_.factor) ? static_cast<std::uint32_t>(kMinTotpSecret) : 32;
    randombytes_buf(factor_->bytes, factor_->size);
}

// Writes the secrets first and then the .yaml files that name them: the daemon looks for .yaml files only.
Result<void> Enrolment::write_credential() {
    const std::string stem = directory_ + "/credentials/" + options_.user + "." + options_.device;
    if (fs::exists(stem + ".yaml"))
        return Error{"device " + in_quotes(options_.user + "/" + options_.device) + " exists",
                     "remove " + stem + ".* first, or name another device"};
    const std::optional<gid_t> group = config_->account.gid;
    if (auto done = files_.write(stem + ".key", to_base64(*key_) + "\n", 0640, group); !done)
        return done;
    const ByteView factor = std::span(factor_->bytes).first(factor_->size);
    if (!factor.empty()) {
        const std::string text = has_codes(options_.factor) ? to_base32(factor) : to_base64(factor);
        if (auto done = files_.write(stem + ".otp", text + "\n", 0640, group); !done)
            return done;
    }
    config::CredentialFile credential;
    credential.user = options_.user;
    credential.device = options_.device;
    credential.id = id_;
    credential.factor = options_.factor;
    if (has_codes(options_.factor))
        credential.digits = options_.digits;
    const auto text = config::credential_file_text(credential);
    return text ? files_.write(stem + ".yaml", *text, 0644) : text.error();
}

std::string Enrolment::head_of_profile() const {
    return "# Profile of " + options_.user + "/" + options_.device +
           " for knock-client: put it into ~/.config/xknock, mode 0600.\n"
           "# It holds a key: whoever has this file" +
           (options_.factor == FactorKind::totp   ? " and a code of the moment"
            : options_.factor == FactorKind::hotp ? " and the next code"
                                                  : "") +
           " can knock.\n";
}

Result<void> Enrolment::write_profile() {
    const auto server_id = config::read_server_id(directory_);
    if (!server_id)
        return server_id.error();
    ProfileFile profile;
    profile.hosts = options_.hosts;
    profile.server = options_.server;
    profile.knock_port = config_->port;
    profile.server_id = *server_id;
    profile.credential = id_;
    *profile.key = *key_;
    profile.factor = options_.factor;
    if (has_codes(options_.factor))
        profile.digits = options_.digits;
    if (options_.factor == FactorKind::hmac)
        *profile.hmac_key.emplace() = *factor_;
    if (options_.factor == FactorKind::none)
        profile.sequence_ports = config_->policy.settings.sequence.ports;
    if (!services_.empty())
        profile.service = services_.front();
    profile.services = ports_of(*config_, services_);
    auto text = profile_file_text(profile, head_of_profile());
    if (!text)
        return text.error();
    enrolled_.profile_file = options_.profile_file.empty() ? "xknock-" + options_.user + "-" + options_.device + ".yaml"
                                                           : options_.profile_file;
    auto done = files_.write(enrolled_.profile_file, *text, 0600);
    sodium_memzero(text->data(), text->size());
    return done;
}

Result<Enrolled> Enrolment::run() {
    using Step = Result<void> (Enrolment::*)();
    if (auto fine = check_options(options_); !fine)
        return fine.error();
    make_secrets();
    for (const Step step : {&Enrolment::load, &Enrolment::choose_services, &Enrolment::make_directories,
                            &Enrolment::write_user, &Enrolment::write_credential, &Enrolment::write_profile})
        if (auto done = (this->*step)(); !done)
            return done.error();
    if (has_codes(options_.factor))
        enrolled_.otpauth = otpauth_uri(options_.factor, {options_.user, options_.device},
                                        options_.hosts.empty() ? "" : options_.hosts.front(),
                                        std::span(factor_->bytes).first(factor_->size), options_.digits);
    // Reads it as the daemon will: a file that the daemon would refuse must not stay.
    if (auto read_again = config::load_config(options_.config_file); !read_again)
        return read_again.error();
    enrolled_.files = files_.keep();
    return enrolled_;
}

} // namespace

Result<Enrolled> enroll(const KeygenOptions& options) { return Enrolment(options).run(); }

} // namespace xk::tools
