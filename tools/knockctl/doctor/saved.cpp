// SPDX-License-Identifier: MIT
#include "tools/knockctl/doctor/saved.h"

#include "daemon/nft/pinhole_sets.h"
#include "protocol/base/quote.h"
#include "tools/knockctl/doctor/bounded.h"

#include <glob.h>

#include <algorithm>
#include <map>
#include <set>

namespace xk::tools {
namespace {

// The files that boot scripts of the distributions load, and that their packages save to.
constexpr const char* kLoaded[] = {
    "/etc/nftables.conf",           "/etc/nftables.nft",         "/etc/nftables.d/*",
    "/etc/nftables/*.nft",          "/etc/nftables/*.conf",      "/etc/nftables/rules-save",
    "/etc/sysconfig/nftables*",     "/etc/sysconfig/nftables/*", "/etc/iptables/rules.v*",
    "/var/lib/nftables/rules-save", "/var/lib/nftables/*.nft"};
constexpr std::size_t kMaxFile = 16 * 1024 * 1024; // a ruleset with a hundred thousand bans
constexpr std::size_t kMaxAll = 4 * kMaxFile, kMaxFiles = 1000;

struct Word {
    std::string text;
    unsigned line;
    bool quoted;
};

// Words of nft(8)'s language; ";" and line ends are one too, as "\n".
std::vector<Word> words_of(const std::string& text) {
    std::vector<Word> words;
    std::string word;
    unsigned line = 1;
    const auto end_word = [&] {
        if (!word.empty())
            words.push_back({std::exchange(word, {}), line, false});
    };
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '#') { // up to the end of the line
            end_word();
            i = std::min(text.find('\n', i), text.size()) - 1;
        } else if (c == '"') {
            end_word();
            const auto close = text.find_first_of("\"\n", i + 1);
            words.push_back({text.substr(i + 1, close == text.npos ? close : close - i - 1), line, true});
            i = close == text.npos ? text.size() : text[close] == '\n' ? close - 1 : close;
        } else if (c == '\\' && i + 1 < text.size() && text[i + 1] == '\n') {
            end_word();
            ++line;
            ++i;
        } else if (c == '\n' || c == ';' || c == '{' || c == '}') {
            end_word();
            words.push_back({c == '{' || c == '}' ? std::string(1, c) : "\n", line, false});
            line += c == '\n';
        } else if (c == ' ' || c == '\t' || c == '\r') {
            end_word();
        } else {
            word += c;
        }
    }
    end_word();
    return words;
}

bool is_one_of(const std::string& word, std::initializer_list<const char*> words) {
    return std::ranges::find(words, word) != words.end();
}

// "define name = word", for "$name" behind it.
using Definitions = std::map<std::string, std::string>;
std::string value_of(const Word& word, const Definitions& definitions) {
    if (!word.text.starts_with('$'))
        return word.text;
    const auto found = definitions.find(word.text.substr(1));
    return found == definitions.end() ? word.text : found->second;
}

std::vector<std::string> files_like(const std::string& pattern) {
    glob_t found{};
    std::vector<std::string> files;
    if (::glob(pattern.c_str(), GLOB_NOSORT, nullptr, &found) == 0)
        files.assign(found.gl_pathv, found.gl_pathv + std::min(found.gl_pathc, kMaxFiles));
    ::globfree(&found);
    std::ranges::sort(files);
    return files;
}

class Search {
  public:
    explicit Search(Findings& findings) : findings_(findings) {}

    void look(const std::string& pattern) {
        for (const std::string& file : files_like(pattern))
            look_into(file);
    }
    bool found() const { return found_; }

  private:
    void say(Severity severity, const std::string& message, const std::string& hint) {
        findings_.push_back({severity, "saved", message, hint});
        found_ = true;
    }

    void look_into(const std::string& file) {
        if (!seen_.insert(file).second) // a circle of includes ends here
            return;
        if (seen_.size() > kMaxFiles || left_ == 0) {
            if (!std::exchange(full_, true))
                say(Severity::advice, "there are too many saved rulesets: not all were looked at", {});
            return;
        }
        const auto text = read_of_root(file, std::min(kMaxFile, left_));
        if (!text) {
            if (!text.error().message.empty())
                say(Severity::advice, text.error().message, text.error().hint);
            return;
        }
        left_ -= text->size();
        const SavedRuleset saved = read_saved_ruleset(*text);
        for (const Mention& mention : saved.mentions)
            say_mention(file, mention);
        // Relative ones are below nft's include path; with a dot, where it runs: the services of boot run in "/".
        for (const std::string& include : saved.includes)
            look(include.starts_with('/') ? include : (include.starts_with('.') ? "/" : "/etc/") + include);
    }

    void say_mention(const std::string& file, const Mention& mention) {
        const std::string where = printable(file) + ":" + std::to_string(mention.line) + ": ";
        if (mention.adds)
            say(Severity::problem,
                where + in_quotes(mention.text) +
                    " is in a ruleset that is loaded at boot: each load brings back the grants and "
                    "rules of the day on "
                    "which it was saved",
                "take what is of table inet xknock out of that file; \"nft list ruleset\" saved "
                "everything, and xknockd "
                "makes its table itself");
        else
            say(Severity::advice,
                where + in_quotes(mention.text) +
                    " takes xknock's table away at each load: the ports are open until "
                    "xknockd has put it back",
                "take that line out");
    }

    Findings& findings_;
    std::set<std::string> seen_;
    std::size_t left_ = kMaxAll;
    bool found_ = false, full_ = false;
};

} // namespace

SavedRuleset read_saved_ruleset(const std::string& text) {
    SavedRuleset saved;
    Definitions definitions;
    const auto words = words_of(text);
    for (std::size_t i = 0; i + 1 < words.size(); ++i) {
        const Word& word = words[i];
        if (word.quoted)
            continue;
        if (word.text == "include") {
            saved.includes.push_back(value_of(words[i + 1], definitions));
        } else if (is_one_of(word.text, {"define", "redefine"}) && i + 3 < words.size() && words[i + 2].text == "=") {
            definitions[words[i + 1].text] = words[i + 3].text;
        } else if (i + 2 < words.size() && value_of(words[i + 1], definitions) == "inet" &&
                   value_of(words[i + 2], definitions) == nft::kTable &&
                   is_one_of(word.text, {"table", "chain", "rule", "set", "map", "element", "flowtable"})) {
            const std::string verb = i == 0 ? "" : words[i - 1].text;
            if (is_one_of(verb, {"list", "reset", "monitor"}))
                continue;
            const bool adds = !is_one_of(verb, {"delete", "destroy", "flush"});
            if (adds && word.text == "table" && (i + 3 >= words.size() || words[i + 3].text != "{"))
                continue; // without a block it brings nothing
            const std::string mention = (adds ? "" : verb + " ") + word.text + " inet " + nft::kTable;
            if (std::ranges::none_of(saved.mentions, [&](const Mention& m) { return m.text == mention; }))
                saved.mentions.push_back({word.line, adds, mention});
        }
    }
    return saved;
}

void check_saved_rulesets(Findings& findings) {
    Search search(findings);
    for (const char* pattern : kLoaded)
        search.look(pattern);
    if (!search.found())
        findings.push_back({Severity::ok, "saved", "no ruleset that is loaded at boot names xknock's table", {}});
}

} // namespace xk::tools
