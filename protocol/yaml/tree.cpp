// SPDX-License-Identifier: MIT
#include "protocol/yaml/tree.h"

#include "protocol/base/quote.h"
#include "protocol/yaml/document.h"
#include "protocol/yaml/syntax.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <sstream>

namespace xk::yaml {
namespace {

constexpr std::size_t kMaxFile = 1024 * 1024;

Place place_at(const std::string& file, const YAML::Mark& mark) {
    if (mark.is_null())
        return {file, 0, 0};
    return {file, mark.line + 1, mark.column + 1};
}

// Makes the nodes of one document from what the parser sees.
class Builder final : public YAML::EventHandler {
  public:
    explicit Builder(Tree& tree) : tree_(tree) {}
    const YAML::Mark& begin() const { return begin_; }

    void OnDocumentStart(const YAML::Mark& mark) override { begin_ = mark; }
    void OnDocumentEnd() override {}
    void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { add(Kind::nothing, mark, anchor); }
    void OnAlias(const YAML::Mark&, YAML::anchor_t anchor) override {
        tree_.has_aliases = true;
        attach(anchors_.at(anchor));
    }
    void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  const std::string& value) override {
        add(Kind::scalar, mark, anchor).text = value;
    }
    void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                         YAML::EmitterStyle::value) override {
        open_.push_back(&add(Kind::list, mark, anchor));
    }
    void OnSequenceEnd() override { open_.pop_back(); }
    void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                    YAML::EmitterStyle::value) override {
        open_.push_back(&add(Kind::mapping, mark, anchor));
    }
    void OnMapEnd() override { open_.pop_back(); }

  private:
    Node& add(Kind kind, const YAML::Mark& mark, YAML::anchor_t anchor) {
        Node& node = tree_.nodes.emplace_back();
        node.kind = kind;
        if (!mark.is_null()) {
            node.line = mark.line + 1;
            node.column = mark.column + 1;
        }
        if (anchor != 0)
            anchors_[anchor] = &node;
        attach(&node);
        return node;
    }
    void attach(const Node* node) {
        if (!open_.empty())
            open_.back()->items.push_back(node);
    }

    Tree& tree_;
    YAML::Mark begin_;
    std::vector<Node*> open_;
    std::map<YAML::anchor_t, const Node*> anchors_;
};

// False, with a fault, where the text has more than one document. YAML::LoadAll() could tell, but never returns for ","
// (yaml-cpp 0.7 takes what cannot begin a document for an empty one, again and again).
bool build(Tree& tree, const std::string& text, const std::string& file, Faults& faults) {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    Builder builder(tree);
    if (!parser.HandleNextDocument(builder))
        return true;
    // Only the last value can have swallowed the rest of the file.
    const auto last =
        std::find_if(tree.nodes.rbegin(), tree.nodes.rend(), [](const Node& n) { return n.is(Kind::scalar); });
    if (last != tree.nodes.rend() && !is_closed(text, {file, last->line, last->column})) {
        explain_syntax(text, {file, last->line, last->column}, "this quote is never closed", faults);
        return false;
    }
    Tree rest;
    Builder second(rest);
    if (!parser.HandleNextDocument(second))
        return true;
    faults.add(place_at(file, second.begin()), "is a second document in this file");
    return false;
}

} // namespace

std::shared_ptr<const Tree> parse_tree(std::string_view text, const std::string& file, Faults& faults) {
    const auto fault = [&](const char* message, const char* hint = "") {
        faults.add({file, 0, 0}, message, hint);
        return nullptr;
    };
    if (text.size() > kMaxFile)
        return fault("is larger than a megabyte");
    if (text.find('\0') != std::string_view::npos)
        return fault("holds a zero byte", "is it a text file?");
    const auto tree = std::make_shared<Tree>();
    try {
        if (!build(*tree, std::string(text), file, faults))
            return nullptr;
    } catch (const YAML::Exception& e) {
        explain_syntax(text, place_at(file, e.mark), printable(e.msg), faults);
        return nullptr;
    }
    if (tree->nodes.empty() || tree->root().is(Kind::nothing))
        return fault("is empty");
    return tree;
}

bool same_content(const Node& a, const Node& b) {
    if (a.kind != b.kind || a.text != b.text || a.items.size() != b.items.size())
        return false;
    for (std::size_t i = 0; i < a.items.size(); ++i)
        if (!same_content(*a.items[i], *b.items[i]))
            return false;
    return true;
}

} // namespace xk::yaml
