exports.handler = async () => "in a folder";
