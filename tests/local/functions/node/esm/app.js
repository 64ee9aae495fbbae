export const handler = async () => "a .js file that is a module";
