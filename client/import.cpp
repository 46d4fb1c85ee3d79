// SPDX-License-Identifier: MIT
#include "client/import.h"

#include "client/old_client.h"
#include "client/profile.h"
#include "client/profile_store.h"
#include "client/verbs.h"
#include "protocol/base/duration.h"
#include "protocol/base/quote.h"
#include "protocol/base/secure_file.h"
#include "protocol/secret.h"
#include "protocol/yaml/document.h"
#include "protocol/yaml/update.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

namespace xk::client {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostOldFile = 64U * 1024;

void print_row(const char* what, const std::string& text, const std::string& outcome) {
    std::printf("  %-12s %-28s %s\n", as_line(what).c_str(), as_line(text).c_str(), as_line(outcome).c_str());
}

Result<std::string> file_to_import(const Arguments& a) {
    if (a.importing.kind != "capyknock" && a.importing.kind != "fwknop")
        return Error{in_quotes(a.importing.kind) + " is no client that can be taken over",
                     "write \"import capyknock FILE\" or \"import fwknop [FILE]\"", Exit::usage};
    if (!a.importing.file.empty())
        return a.importing.file;
    const char* const home = std::getenv("HOME");
    if (a.importing.kind == "fwknop" && home != nullptr && home[0] == '/')
        return std::string(home) + "/.fwknoprc";
    return Error{"which file?", "name the one that the old client reads", Exit::usage};
}

Result<std::vector<OldClient>> read_old_clients(const Arguments& a) {
    auto file = file_to_import(a);
    if (!file)
        return file.error();
    FileRules rules; // whoever can write it chooses where we knock
    rules.max_size = kMostOldFile;
    auto text = read_checked(*file, rules);
    if (!text)
        return text.error();
    Result<std::vector<OldClient>> clients = std::vector<OldClient>();
    if (a.importing.kind == "fwknop") {
        clients = read_fwknoprc(*text, *file);
    } else if (auto one = read_capyknock(*text, *file)) {
        clients->push_back(*std::move(one));
    } else {
        clients = one.error();
    }
    sodium_memzero(text->data(), text->size()); // it has keys
    return clients;
}

// What becomes of the profile's keys, row by row.
class Takeover {
  public:
    Takeover(const OldClient& old, const Profile& profile, const ProfileFile& file)
        : old_(old), profile_(profile), file_(file) {}

    std::vector<yaml::Edit> edits() {
        take_alias();
        take_hosts();
        take_service();
        if (old_.lifetime)
            take("lifetime", duration_text(*old_.lifetime),
                 file_.lifetime.count() != 0 ? duration_text(file_.lifetime) : "");
        if (old_.nat)
            take("nat", "always",
                 file_.nat == NatPolicy::automatic ? ""
                 : file_.nat == NatPolicy::always  ? "always"
                                                   : "never");
        for (const auto& [key, why] : old_.without)
            print_row("-", key, "no equivalent: " + why);
        return std::move(edits_);
    }

  private:
    // A key that the profile does not have yet. What it has is the operator's, or the user's own wish.
    void take(const char* key, const std::string& value, const std::string& present) {
        if (present == value)
            return print_row(key, value, "is there already");
        if (!present.empty())
            return print_row(key, value, "not taken over: the profile has " + in_quotes(present));
        edits_.push_back({key, value});
        print_row(key, value, "taken over");
    }
    void take_alias() {
        if (old_.alias.empty())
            return;
        if (!is_profile_name(old_.alias))
            return print_row("name", printable(old_.alias), "not taken over: it is no name for a profile");
        if (profile_.is_for(old_.alias) || fs::path(profile_.file).stem() == old_.alias)
            return print_row("name", old_.alias, "is there already");
        take("name", old_.alias, file_.name.value_or(""));
    }
    void take_hosts() {
        std::string list;
        std::vector<std::string> all = file_.hosts;
        for (const std::string& host : old_.hosts)
            if (!profile_.has_host(host))
                all.push_back(host);
        if (all.size() == file_.hosts.size())
            return print_row("hosts", old_.hosts.front(), "is there already");
        for (const std::string& host : all)
            list += (list.empty() ? "" : ", ") + in_quotes(host);
        edits_.push_back({"hosts", "[" + list + "]"});
        print_row("hosts", old_.hosts.front(), "taken over");
    }
    void take_service() {
        if (old_.service.empty())
            return;
        // The operator's name for the port says more.
        std::string service = old_.service;
        for (const auto& [name, ports] : file_.services)
            if (ports == std::vector<std::string>{old_.service})
                service = name;
        take("service", service, file_.service);
    }

    const OldClient& old_;
    const Profile& profile_;
    const ProfileFile& file_;
    std::vector<yaml::Edit> edits_;
};

// Profile and text of the file, both for the same moment.
Result<ProfileFile> read_own_file_of(const Profile& profile) {
    FileRules rules;
    rules.secret = true;
    auto text = read_checked(profile.file, rules);
    if (!text)
        return text.error();
    yaml::Faults faults;
    auto section = yaml::read(*text, profile.file, faults);
    sodium_memzero(text->data(), text->size());
    if (!section)
        return faults.error();
    return read_profile_file(*section);
}

Result<Profile> profile_of_old(const Arguments& a, const OldClient& old, const std::string& directory) {
    if (!a.profile.empty())
        return a.profile.find('/') != a.profile.npos ? load_profile(a.profile) : find_profile(directory, a.profile);
    if (old.hosts.empty())
        return Error{old.title + " names no server", {}, Exit::configuration};
    return find_profile(directory, old.hosts.front());
}

Result<void> take_over(const Arguments& a, const OldClient& old, const std::string& directory) {
    auto profile = profile_of_old(a, old, directory);
    std::printf("%s%s\n", as_line(old.title).c_str(),
                profile ? (": into " + in_quotes(profile->file)).c_str() : ": nothing is taken over");
    if (!profile) {
        for (const auto& [key, why] : old.without)
            print_row("-", key, "no equivalent: " + why);
        Error error = profile.error();
        if (error.message.starts_with("no profile in"))
            error.hint = "the old keys are of another protocol: enrol first (knock-client enroll " +
                         as_line(old.hosts.front()) + "), then import again; or name the profile: --profile NAME";
        return std::move(error).within(old.title);
    }
    auto file = read_own_file_of(*profile);
    if (!file)
        return file.error();
    const auto edits = Takeover(old, *profile, *file).edits();
    if (edits.empty() || a.importing.dry_run)
        return {};
    FileRules rules;
    rules.secret = true;
    return yaml::edit_file(profile->file, rules, edits);
}

} // namespace

int run_import(const Arguments& a) {
    auto clients = read_old_clients(a);
    if (!clients)
        return fail(clients.error());
    auto directory = a.profiles.empty() ? profile_directory() : Result(a.profiles);
    if (!directory)
        return fail(directory.error());
    if (!a.importing.stanza.empty())
        std::erase_if(*clients, [&](const OldClient& old) { return old.alias != a.importing.stanza; });
    if (clients->empty())
        return fail(Error{"there is no stanza " + in_quotes(a.importing.stanza), {}, Exit::usage});
    if (!a.profile.empty() && clients->size() > 1)
        return fail(Error{"several stanzas do not go into one profile", "choose one: --stanza NAME", Exit::usage});
    int code = 0;
    for (const OldClient& old : *clients)
        if (auto done = take_over(a, old, *directory); !done) {
            std::fflush(stdout);
            code = fail(done.error());
        }
    if (code == 0 && a.importing.dry_run)
        std::fputs("nothing was written (--dry-run)\n", stdout);
    return code;
}

} // namespace xk::client
