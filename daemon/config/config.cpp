// SPDX-License-Identifier: MIT
#include "daemon/config/config.h"

#include "daemon/config/services.h"
#include "daemon/config/user_rules.h"

#include "protocol/base/duration.h"
#include "protocol/base/quote.h"
#include "protocol/base/secure_file.h"
#include "protocol/encoding.h"
#include "protocol/otp.h"
#include "protocol/yaml/document.h"

#include <grp.h>
#include <pwd.h>

#include <algorithm>
#include <charconv>
#include <deque>
#include <filesystem>
#include <map>

namespace xk::config {
namespace {

namespace fs = std::filesystem;
using yaml::EmptyList;
using yaml::Faults;
using yaml::Place;
using yaml::Scalar;
using yaml::Section;

constexpr std::chrono::seconds kMinSkew{1}, kMaxSkew{90};
constexpr std::size_t kMaxGrantsCeiling = 65536;
constexpr std::size_t kMaxAllow = 256;
constexpr unsigned kNoChange = UINT32_MAX; // as a uid or gid: setresuid(2) and chown(2) leave it as it is

// One of users/ or credentials/, with what is wrong with it.
struct File {
    std::string path;
    Faults faults;
    bool is_good() const { return faults.empty(); }
};

// A user of users/*.yaml with what the credentials inherit.
struct User {
    File* file;
    Place place;
    authz::Credential rights; // everything but id, device and factor
    bool has_credential = false;
};

// Where a name or an id was seen first.
struct Use {
    Place place;
    File* file;
};

class Loader {
  public:
    Loader(const std::string& file, Identity identity, UserFaults user_faults)
        : directory_(fs::path(file).parent_path().string()), identity_(identity), user_faults_(user_faults) {
        config_.file = file;
        if (directory_.empty())
            directory_ = ".";
    }

    Result<Config> load() {
        read_main();
        if (auto id = read_server_id(directory_); id)
            config_.policy.settings.server = *id;
        else if (identity_ == Identity::required)
            fault(faults_, directory_ + "/server_id", id.error());
        for (const std::string& path : files_in("users"))
            read_user(files_.emplace_back(File{path, {}}));
        for (File& file : files_)
            if (!file.is_good()) // where it cannot be read, its name says whose it is
                users_.try_emplace(fs::path(file.path).stem().string(), User{&file, {file.path, 0, 0}, {}});
        for (const std::string& path : files_in("credentials"))
            read_credential(files_.emplace_back(File{path, {}}));
        if (user_faults_ == UserFaults::refuse || !faults_.empty()) // all that is wrong at once
            for (const File& file : files_)
                faults_.add_all(file.faults);
        if (!faults_.empty())
            return faults_.error();
        take_over();
        return std::move(config_);
    }

  private:
    // The users and credentials whose files are good, and why the others are not.
    void take_over() {
        for (const auto& [name, user] : users_) {
            if (!user.file->is_good())
                continue;
            config_.users.push_back({name, user.rights.services});
            if (!user.has_credential)
                warn(user.place, "user " + in_quotes(name) + " has no credential and cannot knock");
        }
        for (const Found& found : found_) {
            if (!found.file->is_good())
                continue;
            config_.policy.credentials.push_back(found.credential);
            config_.secrets.push_back(found.secrets);
        }
        for (const File& file : files_) {
            if (file.is_good())
                continue;
            Disabled& disabled = config_.disabled.emplace_back(Disabled{file.path, {}});
            for (const yaml::Fault& fault : file.faults.all())
                disabled.faults.push_back(fault.text());
        }
    }

    // What is wrong with a file as a whole. The error names it as well, and once is enough.
    static void fault(Faults& faults, const std::string& path, const Error& error) {
        std::string message = error.message;
        if (const std::string name = in_quotes(path); message.starts_with(name))
            message.erase(0, message.find_first_not_of(": ", name.size()));
        faults.add({path, 0, 0}, message, error.hint);
    }
    // Something that one file only may have is in two; where faults disable, both are.
    void fault_twice(const std::string& what, const Use& first, const Use& second) {
        second.file->faults.add(second.place, what + " is there twice", "the first is at " + first.place.text());
        if (user_faults_ == UserFaults::disable)
            first.file->faults.add(first.place, what + " is there twice", "the second is at " + second.place.text());
    }
    void warn(const Place& place, const std::string& text) { config_.warnings.push_back(place.text() + ": " + text); }

    static std::optional<Section> open(const std::string& path, Faults& faults) {
        auto text = read_checked(path, {});
        if (!text) {
            fault(faults, path, text.error());
            return std::nullopt;
        }
        return yaml::read(*text, path, faults);
    }

    // The .yaml files of a directory beside the main file, in a fixed order. An absent directory is an empty one.
    std::vector<std::string> files_in(const char* name) {
        const std::string path = directory_ + "/" + name;
        std::vector<std::string> files;
        std::error_code code;
        if (!fs::exists(path, code) && !code)
            return files;
        for (fs::directory_iterator i(path, code), end; !code && i != end; i.increment(code))
            if (i->path().extension() == ".yaml" && i->path().filename().string()[0] != '.')
                files.push_back(i->path());
        if (code)
            faults_.add({path, 0, 0}, code.message());
        std::sort(files.begin(), files.end());
        return files;
    }

    template <typename T, typename Value>
    static void set(T& to, const std::optional<Value>& from) {
        if (from)
            to = static_cast<T>(*from);
    }

    void read_main();
    void read_xdp(Section& main);
    void read_gate(Section& main);
    bool read_stealth(Section& section);
    void read_control(Section& main);
    void read_process(Section& main);
    void read_paths(Section& main);
    void read_user(File& file);
    void read_credential(File& file);
    void check_secrets(const SecretFiles& files, Faults& faults);
    void claim(std::map<std::string, Use>& seen, const std::string& key, const std::string& what, const Use& use) {
        const auto [known, added] = seen.emplace(key, use);
        if (!added)
            fault_twice(what, known->second, use);
    }

    std::string directory_;
    Identity identity_;
    UserFaults user_faults_;
    Config config_;
    Faults faults_; // of everything but files_
    bool accounts_known_ = false;
    std::deque<File> files_; // in the order of reading; their addresses last
    std::map<std::string, User> users_;
    std::map<std::string, Use> credential_ids_, devices_;
    struct Found {
        File* file;
        authz::Credential credential;
        SecretFiles secrets;
    };
    std::vector<Found> found_;
};

std::optional<std::string> name_at(Section& section, std::string_view key) {
    const auto value = section.scalar(key);
    if (!value)
        return std::nullopt;
    if (is_name(value->value))
        return value->value;
    section.faults().add(value->place, in_quotes(value->value) + " is not a name",
                         "1 to 32 letters, digits, \"-\", \"_\" or \".\", the first a letter or digit");
    return std::nullopt;
}

Result<gid_t> find_group(std::string_view name) {
    unsigned number = 0;
    const auto [end, code] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (code == std::errc{} && end == name.data() + name.size() && number != kNoChange)
        return static_cast<gid_t>(number);
    if (const auto* group = ::getgrnam(std::string(name).c_str()))
        return group->gr_gid;
    return Error{"there is no group " + in_quotes(name), {}};
}

Result<std::string> parse_path(std::string_view text) {
    if (text.empty() || text.front() != '/')
        return Error{in_quotes(text) + " is not an absolute path", {}};
    return std::string(text);
}

void Loader::read_main() {
    auto main = open(config_.file, faults_);
    if (!main)
        return;
    main->require("interfaces");
    const auto interfaces = main->scalars("interfaces", EmptyList::fine);
    if (interfaces && interfaces->empty())
        faults_.add(main->place_of_key("interfaces"), "there is no interface: nobody could knock");
    for (const Scalar& name : interfaces.value_or(std::vector<Scalar>{})) {
        if (name.value.empty() || name.value.size() > 15 || name.value.find_first_of("/ \t:") != std::string::npos)
            faults_.add(name.place, in_quotes(name.value) + " is not a name of an interface");
        else if (std::find(config_.interfaces.begin(), config_.interfaces.end(), name.value) !=
                 config_.interfaces.end())
            faults_.add(name.place, "interface " + in_quotes(name.value) + " is there twice");
        else
            config_.interfaces.push_back(name.value);
    }
    set(config_.port, main->number("port", 1, 65535));
    config_.answer_as_closed = read_stealth(*main);
    if (const auto skew = main->scalar("clock_skew"))
        if (const auto value = main->parse_at(*skew, parse_duration)) {
            config_.policy.settings.skew = *value;
            if (*value < kMinSkew || *value > kMaxSkew)
                faults_.add(skew->place,
                            "a clock skew must be from " + duration_text(kMinSkew) + " to " + duration_text(kMaxSkew));
        }
    auto [services, hooks] = read_services(*main, config_.port);
    config_.policy.services = std::move(services);
    config_.hooks.services = std::move(hooks);
    read_xdp(*main);
    read_gate(*main);
    read_control(*main);
    read_process(*main);
    read_paths(*main);
    read_hooks(*main, config_);
    main->finish();
}

void Loader::read_xdp(Section& main) {
    auto xdp = main.section("xdp");
    if (!xdp)
        return;
    set(config_.allow_generic, xdp->boolean("allow_generic"));
    if (const auto coexist = xdp->scalar("coexist")) {
        config_.coexist = coexist->value == "libxdp";
        if (coexist->value != "libxdp" && coexist->value != "none")
            faults_.add(coexist->place, in_quotes(coexist->value) + " is neither none nor libxdp");
    }
    set(config_.run_priority, xdp->number("priority", 0, 65535));
    set(config_.drop_syn, xdp->boolean("drop_syn"));
    if (const auto addresses = xdp->scalars("local_addresses", EmptyList::fine)) {
        config_.local_addresses.emplace();
        for (const Scalar& text : *addresses)
            if (const auto address = xdp->parse_at(text, Address::parse))
                config_.local_addresses->insert(*address);
    }
    xdp->finish();
}

// Whether a port is to answer as a closed one does.
bool Loader::read_stealth(Section& section) {
    const auto stealth = section.scalar("stealth");
    if (stealth && stealth->value != "closed" && stealth->value != "drop")
        faults_.add(stealth->place, in_quotes(stealth->value) + " is neither drop nor closed");
    return stealth && stealth->value == "closed";
}

void Loader::read_gate(Section& main) {
    auto gate = main.section("gate");
    if (!gate)
        return;
    if (const auto mode = gate->scalar("mode")) {
        if (mode->value == "external")
            config_.gate_mode = GateMode::external;
        else if (mode->value != "table")
            faults_.add(mode->place, in_quotes(mode->value) + " is neither table nor external");
    }
    config_.gate_closed = read_stealth(*gate);
    config_.allow = read_networks(*gate, "allow", kMaxAllow, EmptyList::fine);
    for (const Prefix& prefix : config_.allow)
        if (prefix.length == 0 || (prefix.is_v4() && prefix.length == 96))
            faults_.add(gate->place_of_key("allow"), in_quotes(prefix.text()) + " allows everybody",
                        "there is then no gate");
    config_.never_ban = read_networks(*gate, "never_ban", kMaxAllow, EmptyList::fine);
    set(config_.gate_owned, gate->boolean("owned"));
    if (const auto on_failure = gate->scalar("on_failure")) {
        config_.shut_on_failure = on_failure->value == "shut";
        if (on_failure->value != "shut" && on_failure->value != "open")
            faults_.add(on_failure->place, in_quotes(on_failure->value) + " is neither shut nor open");
    }
    set(config_.max_grants, gate->number("max_grants", 1, kMaxGrantsCeiling));
    set(config_.replay_entries, gate->number("replay_entries", authz::kFewestReplayEntries, authz::kMostReplayEntries));
    auto external = gate->section("external");
    if (external) {
        const auto text = [&](const char* key) {
            external->require(key);
            const auto value = external->scalar(key);
            if (value && value->value.empty())
                faults_.add(value->place, in_quotes(key) + " is empty");
            return value ? value->value : std::string();
        };
        config_.external = {text("table"), text("set4"), text("set6")};
        external->finish();
    }
    if (config_.gate_mode == GateMode::external && !external)
        faults_.add(gate->place(), "gate mode \"external\" needs \"external\" with table, set4 and set6");
    if (config_.gate_mode == GateMode::table && external)
        faults_.add(gate->place(), "\"external\" is for gate mode \"external\" only");
    if (config_.gate_mode == GateMode::external && config_.gate_closed)
        faults_.add(gate->place_of_key("stealth"), "\"stealth\" of the gate is for gate mode \"table\" only",
                    "in mode \"external\" your own rules answer");
    if (config_.gate_mode == GateMode::external && !config_.allow.empty())
        faults_.add(gate->place(), "\"allow\" is for gate mode \"table\" only",
                    "in mode \"external\" your own rules decide");
    for (const authz::Service& service : config_.policy.services)
        if (config_.gate_mode == GateMode::external && needs_own_table(service))
            faults_.add(gate->place(), "service " + in_quotes(service.name.view()) +
                                           " has a range, a target, max_connections, single or after: cut, which gate "
                                           "mode \"external\" cannot do");
    gate->finish();
}

void Loader::read_control(Section& main) {
    auto control = main.section("control");
    if (!control)
        return;
    config_.admin_group = control->parsed("admin_group", find_group);
    config_.read_group = control->parsed("read_group", find_group);
    control->finish();
}

void Loader::read_process(Section& main) {
    auto process = main.section("process");
    const auto account = [&](const char* key, const char* standard) {
        const auto name = process ? process->scalar(key) : std::nullopt;
        const Scalar at = name.value_or(Scalar{standard, {config_.file, 0, 0}});
        return main.parse_at(at, find_account);
    };
    const auto daemon = account("user", "xknock");
    const auto worker = account("worker_user", "xknock-worker");
    accounts_known_ = daemon && worker;
    config_.account = daemon.value_or(Account{});
    config_.worker_account = worker.value_or(Account{});
    const Place place = process ? process->place() : Place{config_.file, 0, 0};
    if (faults_.empty() && (config_.account.uid == 0 || config_.worker_account.uid == 0))
        faults_.add(place, "neither user nor worker_user may be root");
    else if (faults_.empty() && config_.account.uid == config_.worker_account.uid)
        faults_.add(place, "user and worker_user must be two different users");
    if (process)
        process->finish();
}

void Loader::read_paths(Section& main) {
    auto paths = main.section("paths");
    if (!paths)
        return;
    set(config_.run_directory, paths->parsed("run", parse_path));
    set(config_.state_directory, paths->parsed("state", parse_path));
    set(config_.pin_directory, paths->parsed("bpf", parse_path));
    paths->finish();
}

void Loader::read_user(File& file) {
    Faults& faults = file.faults;
    auto section = open(file.path, faults);
    if (!section)
        return;
    section->require("name");
    section->require("services");
    User user{&file, {}, {}};
    authz::Credential& rights = user.rights;
    const auto name = name_at(*section, "name");
    const auto name_place = section->scalar("name").value_or(Scalar{{}, section->place()}).place;
    user.place = name_place;
    for (const Scalar& wanted : section->scalars("services", EmptyList::fine).value_or(std::vector<Scalar>{})) {
        const auto& services = config_.policy.services;
        const auto found = std::find_if(services.begin(), services.end(),
                                        [&](const authz::Service& s) { return s.name.view() == wanted.value; });
        if (found != services.end()) {
            rights.services.set(static_cast<std::size_t>(found - services.begin()));
            continue;
        }
        std::set<std::string> names;
        for (const authz::Service& s : services)
            names.emplace(s.name.view());
        const auto meant = yaml::nearest(wanted.value, names);
        faults.add(wanted.place, "there is no service " + in_quotes(wanted.value),
                   meant ? "did you mean \"" + *meant + "\"?" : "services are named in " + config_.file);
    }
    set(rights.enabled, section->boolean("enabled"));
    read_user_rules(*section, rights);
    section->finish();
    if (!name)
        return;
    rights.user = authz::Name(*name);
    const auto [known, added] = users_.emplace(*name, user);
    if (!added)
        fault_twice("user " + in_quotes(*name), {known->second.place, known->second.file}, {name_place, &file});
}

Result<FactorKind> parse_factor(std::string_view text) {
    for (const auto kind : {FactorKind::none, FactorKind::totp, FactorKind::hmac})
        if (text == name_of(kind))
            return kind;
    return Error{in_quotes(text) + " is not a second factor", "write totp, hmac or none"};
}

Result<wire::CredentialId> parse_credential_id(std::string_view text) {
    const auto id = from_hex<wire::kCredentialIdSize>(text);
    if (!id || all_zero(*id) || *id == authz::kOperator)
        return Error{in_quotes(text) + " is not a credential's id",
                     "16 hexadecimal digits, not all zero and not all f"};
    return *id;
}

void Loader::read_credential(File& file) {
    Faults& faults = file.faults;
    auto section = open(file.path, faults);
    if (!section)
        return;
    for (const char* key : {"user", "device", "id", "factor"})
        section->require(key);
    const auto user_name = section->scalar("user");
    const auto device = name_at(*section, "device");
    const auto id = section->parsed("id", parse_credential_id);
    const auto factor = section->parsed("factor", parse_factor);
    const auto digits = section->number("digits", 6, 8);
    const auto enabled = section->boolean("enabled");
    const auto valid_from = section->parsed("valid_from", parse_date);
    const auto valid_until = section->parsed("valid_until", parse_date);
    if (valid_from && valid_until && *valid_from >= *valid_until)
        faults.add(section->place(), "valid_until is not after valid_from");
    section->finish();
    // Also of a file with other faults: what is claimed twice is nobody's.
    const Place& place = section->place();
    if (id)
        claim(credential_ids_, to_hex(*id), "credential id " + to_hex(*id), {place, &file});
    if (user_name && device)
        claim(devices_, user_name->value + "/" + *device, "device " + in_quotes(user_name->value + "/" + *device),
              {place, &file});
    if (!user_name || !device || !id || !factor)
        return;
    const auto user = users_.find(user_name->value);
    if (user == users_.end())
        return faults.add(user_name->place, "there is no user " + in_quotes(user_name->value),
                          "users are described in " + directory_ + "/users");
    user->second.has_credential = true;
    authz::Credential credential = user->second.rights;
    credential.id = *id;
    credential.device = authz::Name(*device);
    credential.factor = *factor;
    credential.enabled = credential.enabled && enabled.value_or(true);
    // Within the user's own dates: the old key of a rotation ends by itself.
    credential.valid_from = std::max(credential.valid_from, valid_from.value_or(WallTime::min()));
    credential.valid_until = std::min(credential.valid_until, valid_until.value_or(WallTime::max()));
    if (digits && !is_totp_digits(static_cast<unsigned>(*digits)))
        faults.add(section->place(), "a code has 6 or 8 digits");
    credential.totp_digits = static_cast<std::uint8_t>(digits.value_or(6));
    if (found_.size() == authz::kMaxCredentials)
        return faults.add(place, "there are more than " + std::to_string(authz::kMaxCredentials) + " credentials");
    const std::string stem = file.path.substr(0, file.path.size() - std::string_view(".yaml").size());
    const SecretFiles secrets{stem + ".key", *factor == FactorKind::none ? "" : stem + ".otp"};
    check_secrets(secrets, faults);
    if (user->second.file->is_good()) // else his devices are out with him, and nothing is wrong with their files
        found_.push_back({&file, credential, secrets});
}

Result<Fd> open_secret(const Config& config, const std::string& path) {
    FileRules rules;
    rules.secret = true;
    rules.group = config.account.gid;
    rules.max_size = 4096;
    return open_checked(path, rules);
}

void Loader::check_secrets(const SecretFiles& files, Faults& faults) {
    if (!accounts_known_) // who may read them is not known, and no hint would be right
        return;
    for (const std::string& path : {files.key, files.factor}) {
        if (path.empty())
            continue;
        if (const auto fd = open_secret(config_, path); !fd)
            fault(faults, path, fd.error());
    }
}

} // namespace

std::vector<PortRange> Config::ranges() const {
    std::vector<PortRange> found;
    for (const authz::Service& service : policy.services)
        std::ranges::copy_if(service.all_ports(), std::back_inserter(found),
                             [](const PortRange& ports) { return !ports.is_single(); });
    return found;
}

bool Config::has_targets() const {
    return std::ranges::any_of(policy.services, [](const authz::Service& s) { return s.is_behind(); });
}

Result<Config> load_config(const std::string& file, Identity identity, UserFaults user_faults) {
    auto config = Loader(file, identity, user_faults).load();
    if (config)
        config->policy.make_index();
    return config;
}

std::string SecretFiles::described_in() const {
    return key.substr(0, key.size() - std::string_view(".key").size()) + ".yaml";
}

void disable(Config& config, std::size_t index, const Error& fault) {
    std::string text = fault.message;
    if (!fault.hint.empty())
        text += " (" + fault.hint + ")";
    config.disabled.push_back({config.secrets[index].described_in(), {text}});
    const auto at = static_cast<std::ptrdiff_t>(index);
    config.policy.credentials.erase(config.policy.credentials.begin() + at);
    config.secrets.erase(config.secrets.begin() + at);
    config.policy.make_index();
}

bool names(const std::vector<Disabled>& list, const std::string& file) {
    return std::ranges::any_of(list, [&](const Disabled& disabled) { return disabled.file == file; });
}

Result<std::vector<Fd>> open_secrets(const Config& config, std::size_t credential) {
    std::vector<Fd> fds;
    for (const std::string& path : {config.secrets[credential].key, config.secrets[credential].factor}) {
        if (path.empty())
            continue;
        auto fd = open_secret(config, path);
        if (!fd)
            return fd.error();
        fds.push_back(*std::move(fd));
    }
    return fds;
}

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

Result<Account> find_account(std::string_view name) {
    const std::string text(name);
    unsigned number = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (!text.empty() && code == std::errc{} && end == text.data() + text.size() && number != kNoChange) {
        const auto* entry = ::getpwuid(static_cast<uid_t>(number));
        return Account{text, number, entry != nullptr ? entry->pw_gid : number};
    }
    if (const auto* entry = ::getpwnam(text.c_str()))
        return Account{text, entry->pw_uid, entry->pw_gid};
    return Error{"there is no user " + in_quotes(text), "systemd-sysusers makes it from sysusers.d/xknock.conf"};
}

} // namespace xk::config
